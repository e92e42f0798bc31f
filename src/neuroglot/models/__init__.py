"""Where the neurons of a model are: known families, views of models, and the way to describe one of your own."""

from neuroglot.models.families import FAMILIES as FAMILIES
from neuroglot.models.families import Dense as Dense
from neuroglot.models.families import Experts as Experts
from neuroglot.models.families import Family as Family
from neuroglot.models.families import StackPlan as StackPlan
from neuroglot.models.inputs import DecoderInputs as DecoderInputs
from neuroglot.models.inputs import EncoderInputs as EncoderInputs
from neuroglot.models.inputs import Inputs as Inputs
from neuroglot.models.inputs import PairInputs as PairInputs
from neuroglot.models.loading import load as load
from neuroglot.models.locating import describe_families as describe_families
from neuroglot.models.provenance import made_with as made_with
from neuroglot.models.provenance import model_name as model_name
from neuroglot.models.provenance import model_signature as model_signature
from neuroglot.models.view import ModelView as ModelView
from neuroglot.models.view import view as view
