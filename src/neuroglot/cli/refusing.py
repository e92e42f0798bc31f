"""What commands refuse before any work is done."""


def require_rows(limit: int | None) -> None:
    """Raise `ConfigError` for a --limit that leaves nothing to read."""
    from neuroglot.errors import ConfigError

    if limit is not None and limit < 1:
        raise ConfigError(f"Got --limit {limit}.", "Expected one row or more.")


def require_model(model: str, revision: str | None = None) -> None:
    """Raise `UnsupportedModelError` for a model whose config is not there or of no known family; reads no weights."""
    from transformers import AutoConfig

    from neuroglot.errors import UnsupportedModelError
    from neuroglot.models.locating import require_family

    if model == "lab":
        return
    try:
        config = AutoConfig.from_pretrained(model, revision=revision, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise UnsupportedModelError(
            f"The model {model!r} cannot be found: {str(error).strip().splitlines()[0].rstrip('.')}.",
            "Expected 'lab', a folder with config.json, tokenizer and safetensors, or a model id of the hub.",
            "Check the spelling; a hub id needs a network or a filled cache.",
        ) from error
    require_family(config.model_type, model)
