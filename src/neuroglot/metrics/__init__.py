"""Numbers with intervals: metrics reduce texts to counts, and all else follows from summed counts."""

from neuroglot.metrics.ablation import AblationMatrix as AblationMatrix
from neuroglot.metrics.ablation import Headline as Headline
from neuroglot.metrics.alignment import Alignment as Alignment
from neuroglot.metrics.alignment import alignment as alignment
from neuroglot.metrics.bootstrap import Score as Score
from neuroglot.metrics.bootstrap import interval as interval
from neuroglot.metrics.bootstrap import resampled_sums as resampled_sums
from neuroglot.metrics.bootstrap import scores_from as scores_from
from neuroglot.metrics.identification import LanguageForcing as LanguageForcing
from neuroglot.metrics.identification import identify as identify
from neuroglot.metrics.identification import language_forcing as language_forcing
from neuroglot.metrics.metrics import BitsPerByte as BitsPerByte
from neuroglot.metrics.metrics import Evaluation as Evaluation
from neuroglot.metrics.metrics import ExactAnswer as ExactAnswer
from neuroglot.metrics.metrics import Metric as Metric
from neuroglot.metrics.metrics import NatsPerToken as NatsPerToken
from neuroglot.metrics.metrics import Predictions as Predictions
