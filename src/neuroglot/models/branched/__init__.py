"""Branched translation models (Lego-MT, Yuan et al. 2022, arXiv:2212.10551): an encoder and a decoder a language group.

It is many models of one known architecture: any encoder with any decoder is an ordinary M2M-100, which
`BranchedSeq2Seq.select` gives and everything else works on. Importing this registers the model type
`branched_m2m_100` with transformers' Auto classes.
"""

from transformers import AutoConfig, AutoModelForSeq2SeqLM

from neuroglot.models.branched.config import MAIN as MAIN
from neuroglot.models.branched.config import SIDES as SIDES
from neuroglot.models.branched.config import BranchedConfig as BranchedConfig
from neuroglot.models.branched.config import Side as Side
from neuroglot.models.branched.config import require_groups as require_groups
from neuroglot.models.branched.ensemble import FlowEnsemble as FlowEnsemble
from neuroglot.models.branched.flows import Flow as Flow
from neuroglot.models.branched.flows import branches_of as branches_of
from neuroglot.models.branched.flows import flow_of as flow_of
from neuroglot.models.branched.folder import BranchedFolder as BranchedFolder
from neuroglot.models.branched.folder import create as create
from neuroglot.models.branched.model import BranchedSeq2Seq as BranchedSeq2Seq

AutoConfig.register("branched_m2m_100", BranchedConfig, exist_ok=True)
AutoModelForSeq2SeqLM.register(BranchedConfig, BranchedSeq2Seq, exist_ok=True)
