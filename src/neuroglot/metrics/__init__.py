"""Numbers with intervals: metrics reduce texts to counts, and all else follows from summed counts."""

from neuroglot.metrics.ablation import AblationMatrix as AblationMatrix
from neuroglot.metrics.ablation import Headline as Headline
from neuroglot.metrics.alignment import Alignment as Alignment
from neuroglot.metrics.alignment import alignment as alignment
from neuroglot.metrics.identification import LanguageForcing as LanguageForcing
from neuroglot.metrics.identification import identify as identify
from neuroglot.metrics.identification import language_forcing as language_forcing
from neuroglot.metrics.intervals import Estimate as Estimate
from neuroglot.metrics.intervals import Score as Score
from neuroglot.metrics.intervals import by_rows as by_rows
from neuroglot.metrics.intervals import holm as holm
from neuroglot.metrics.intervals import mean_scores as mean_scores
from neuroglot.metrics.metrics import BitsPerByte as BitsPerByte
from neuroglot.metrics.metrics import Evaluation as Evaluation
from neuroglot.metrics.metrics import ExactAnswer as ExactAnswer
from neuroglot.metrics.metrics import Metric as Metric
from neuroglot.metrics.metrics import NatsPerToken as NatsPerToken
from neuroglot.metrics.metrics import Predictions as Predictions
