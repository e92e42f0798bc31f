"""TSCM (arXiv:2211.03387) and LRINet (2303.06820): sign language recognised by 2-D convolutions alone.

Of the first there is an abstract and a third party's notes, of the second an abstract; no code. The shift is as the
notes have it, the networks around it are our design. Importing this registers the model type `tscm` with transformers'
Auto classes. There is no family: channels of convolutions are no feed-forward neurons, and are viewed by
`models.channels`.
"""

from transformers import AutoConfig, AutoModel

from neuroglot.models.architectures.tscm.config import TSCMConfig as TSCMConfig
from neuroglot.models.architectures.tscm.model import ResBlockT as ResBlockT
from neuroglot.models.architectures.tscm.model import TSCMForCTC as TSCMForCTC
from neuroglot.models.architectures.tscm.model import TSCMModel as TSCMModel
from neuroglot.models.architectures.tscm.model import multiplications_a_frame as multiplications_a_frame
from neuroglot.models.architectures.tscm.shift import ShiftPlan as ShiftPlan
from neuroglot.models.architectures.tscm.shift import TemporalShift as TemporalShift
from neuroglot.models.architectures.tscm.timeline import Timeline as Timeline

FAMILY = None

AutoConfig.register("tscm", TSCMConfig, exist_ok=True)
AutoModel.register(TSCMConfig, TSCMModel, exist_ok=True)
