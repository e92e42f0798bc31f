"""The table of architectures in words, for people to read."""

from neuroglot.models.families import FAMILIES, Dense, Family


def describe_families() -> list[dict[str, str]]:
    """One entry a family: its name, kind, loader, stacks and sites. All of them pass every invariant of the tests."""
    return [_described(family) for family in FAMILIES]


def _described(family: Family) -> dict[str, str]:
    networks = [plan.network for plan in family.stacks]
    gates = {network.gated for network in networks if isinstance(network, Dense)} or {True}
    return {
        "family": family.model_type,
        "kind": family.kind,
        "loads with": family.auto_class,
        "stacks": ", ".join(plan.name for plan in family.stacks),
        "gated": " and ".join("yes" if gated else "no" for gated in sorted(gates)),
        "down projection": ", ".join(dict.fromkeys(f"{plan.layers}.*.{plan.network.path}" for plan in family.stacks)),
    }
