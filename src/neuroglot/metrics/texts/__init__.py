"""Scores of texts by the field's libraries: BLEU, chrF, TER, ROUGE, SARI, answers, COMET; with intervals by row."""

from neuroglot.metrics.texts.metric import TextMetric as TextMetric
from neuroglot.metrics.texts.metric import TextOptions as TextOptions
from neuroglot.metrics.texts.metric import Texts as Texts
from neuroglot.metrics.texts.scoring import TEXT_METRICS as TEXT_METRICS
from neuroglot.metrics.texts.scoring import Comparison as Comparison
from neuroglot.metrics.texts.scoring import Definition as Definition
from neuroglot.metrics.texts.scoring import TextScore as TextScore
from neuroglot.metrics.texts.scoring import choose_metrics as choose_metrics
from neuroglot.metrics.texts.scoring import score_texts as score_texts
from neuroglot.metrics.texts.scoring import told_from_none as told_from_none
