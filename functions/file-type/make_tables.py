"""Makes src/labels.tsv from the knowledge base and the model's configuration that PyPI's `magika` ships.

Run it when the model changes: pip install magika==1.0.3 && python make_tables.py

One line per content type: label, mime, group, description, text|binary, threshold, overwritten to (itself, mostly).
The first 214 lines are what the model's outputs mean, in their order; the rest are labels that only rules give.
"""

from pathlib import Path

from magika import Magika, PredictionMode



def main() -> None:
    magika = Magika(prediction_mode=PredictionMode.HIGH_CONFIDENCE)
    config = magika._model_config
    # What the Rust side has as constants.
    assert (config.beg_size, config.mid_size, config.end_size) == (1024, 0, 1024)
    assert (config.block_size, config.padding_token, config.min_file_size_for_dl) == (4096, 256, 8)

    labels = list(config.target_labels_space)
    for target in [*config.overwrite_map.values(), "empty", "txt", "unknown"]:
        if target not in labels:
            labels.append(target)

    lines = []
    for label in labels:
        info = magika._get_ct_info(label)
        threshold = config.thresholds.get(label, config.medium_confidence_threshold)
        kind = "text" if info.is_text else "binary"
        target = config.overwrite_map.get(label, label)
        columns = [str(label), info.mime_type, info.group, info.description, kind, str(threshold), str(target)]
        lines.append("\t".join(columns))
    Path(__file__).with_name("src").joinpath("labels.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
