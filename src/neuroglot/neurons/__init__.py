"""Which neurons: sets, the rules that select them, and how alike they are; no model needed."""

from neuroglot.neurons.categories import CATEGORIES as CATEGORIES
from neuroglot.neurons.categories import layer_shares_by_row as layer_shares_by_row
from neuroglot.neurons.categories import rows_by_category as rows_by_category
from neuroglot.neurons.categories import shares_if_independent as shares_if_independent
from neuroglot.neurons.comparing import jaccard as jaccard
from neuroglot.neurons.comparing import overlap_matrix as overlap_matrix
from neuroglot.neurons.neuronset import NeuronSet as NeuronSet
from neuroglot.neurons.selecting import at_random_like as at_random_like
from neuroglot.neurons.selecting import by_entropy as by_entropy
from neuroglot.neurons.selecting import language_entropy as language_entropy
