"""What a page says of each result; importing the room registers all of them."""

from neuroglot.reports.sections import ablation as ablation
from neuroglot.reports.sections import alignment as alignment
from neuroglot.reports.sections import attribution as attribution
from neuroglot.reports.sections import branches as branches
from neuroglot.reports.sections import calibration as calibration
from neuroglot.reports.sections import change as change
from neuroglot.reports.sections import consistency as consistency
from neuroglot.reports.sections import deactivation as deactivation
from neuroglot.reports.sections import evaluation as evaluation
from neuroglot.reports.sections import fertility as fertility
from neuroglot.reports.sections import generation as generation
from neuroglot.reports.sections import identification as identification
from neuroglot.reports.sections import judging as judging
from neuroglot.reports.sections import linting as linting
from neuroglot.reports.sections import losses as losses
from neuroglot.reports.sections import masks as masks
from neuroglot.reports.sections import probing as probing
from neuroglot.reports.sections import prompting as prompting
from neuroglot.reports.sections import quadrants as quadrants
from neuroglot.reports.sections import scaling as scaling
from neuroglot.reports.sections import scoreboard as scoreboard
from neuroglot.reports.sections import sets as sets
from neuroglot.reports.sections import sharing as sharing
from neuroglot.reports.sections import task_moments as task_moments
from neuroglot.reports.sections import translation as translation
