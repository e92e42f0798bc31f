"""What a job would cost, before it starts."""

from neuroglot.pricing.jobs import price_ablation as price_ablation
from neuroglot.pricing.jobs import price_analysis as price_analysis
from neuroglot.pricing.jobs import price_attribution as price_attribution
from neuroglot.pricing.jobs import price_deactivation as price_deactivation
from neuroglot.pricing.jobs import price_recording as price_recording
from neuroglot.pricing.jobs import price_scoreboard as price_scoreboard
from neuroglot.pricing.jobs import price_selection as price_selection
from neuroglot.pricing.jobs import price_sharing as price_sharing
from neuroglot.pricing.price import Price as Price
from neuroglot.pricing.price import together as together
