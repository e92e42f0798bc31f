"""The ablation matrix: conditions that share what they have in common, beside a whole forward for each of them.

python -m benchmarks.ablation MODEL --neurons SETS --corpus TEXTS --languages de hi --rows 4 --rounds 3

Both score the same texts under the same conditions, in turn; the line of ratios says what the sharing is worth, the
last line by how much their losses differ at most.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from benchmarks.interleaved import interleaved, line
from neuroglot import ablation_matrix, corpora, models
from neuroglot.experiments.evaluation import control_seed
from neuroglot.experiments.scoring import LOGIT_BUDGET
from neuroglot.interventions import switch_off
from neuroglot.metrics import NatsPerToken
from neuroglot.metrics.metrics import Predictions
from neuroglot.neurons import NeuronSet, at_random_like
from neuroglot.tokens.asked import answered, asked_tokens
from neuroglot.tokens.batches import TOKEN_BUDGET


def main() -> None:
    """Print seconds, ratios, and the largest difference of a loss."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--neurons", type=Path, required=True)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--languages", nargs="*")
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--draws", type=int, default=1)
    asked = parser.parse_args()
    view, tokenizer = models.load(asked.model, device="cpu")
    names = tuple(asked.languages or sorted(path.stem for path in asked.neurons.glob("*.safetensors")))
    corpus = corpora.load(asked.corpus, languages=names).head(asked.rows)
    sets = {language: NeuronSet.load(asked.neurons / f"{language}.safetensors") for language in names}
    results: dict[str, torch.Tensor] = {}

    def shared() -> None:
        matrix = ablation_matrix(view, tokenizer, corpus, sets, NatsPerToken(), draws=asked.draws, same_rows="allow")
        random = matrix.random.flatten(0, 1)
        results["shared"] = torch.cat([matrix.baseline[None], matrix.ablated, random]).sum(1)

    def apart() -> None:
        random = [
            at_random_like(sets[language], control_seed(0, draw, language))
            for draw in range(asked.draws)
            for language in names
        ]
        conditions = [NeuronSet.empty(view.layout), *sets.values(), *random]
        results["whole forwards"] = torch.stack([whole(neurons) for neurons in conditions])

    def whole(neurons: NeuronSet) -> torch.Tensor:
        """Counts by language, `[G, K]`, from whole forwards."""
        tokens = asked_tokens(view, tokenizer, corpus)
        budget = max(1, min(TOKEN_BUDGET, LOGIT_BUDGET // int(view.model.config.get_text_config().vocab_size)))
        counts = torch.zeros(len(names), 3, dtype=torch.float64)
        with view.evaluating(), switch_off(view, neurons):
            for batch in tokens.batches(budget):
                logits, targets, scored = answered(view, batch)
                scores = logits[scored].float()
                text_bytes = torch.tensor([text.scored_bytes for text in batch.texts])
                said = Predictions(lambda scores=scores: [scores], targets[scored], scored, text_bytes)
                languages = torch.tensor([text.language for text in batch.texts])
                counts.index_add_(0, languages, NatsPerToken().counts(said))
        return counts

    seconds = interleaved({"whole forwards": apart, "shared": shared}, asked.rounds)
    for name, times in seconds.items():
        print(line(name, times, seconds["whole forwards"]))
    losses = {name: counts[..., 0] / counts[..., 1] for name, counts in results.items()}
    print(f"largest difference {float((losses['shared'] - losses['whole forwards']).abs().max()):.2e} nats per token")


if __name__ == "__main__":
    main()
