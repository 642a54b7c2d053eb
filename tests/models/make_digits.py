"""Makes digits.onnx and digits.json: python3 make_digits.py [FOLDER]

scikit-learn's own 1797 pictures of digits (8 x 8, no download), standardised, through a network with one hidden layer of 64. digits.json
holds pictures that it was not trained on, with what scikit-learn itself answers for them: an answer from outside ONNX Runtime.
"""

import json
import sys
from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SAMPLES = 5


def main(folder: Path):
    pixels, labels = load_digits(return_X_y=True)
    # float64 is what scikit-learn computes in; the pixels are small whole numbers, exact in float32 too.
    train_x, test_x, train_y, test_y = train_test_split(pixels, labels, test_size=0.3, random_state=0)
    network = MLPClassifier((64,), max_iter=200, random_state=0)
    pipeline = make_pipeline(StandardScaler(), network).fit(train_x, train_y)
    converted = to_onnx(
        pipeline,
        test_x[:1].astype(np.float32),
        options={"zipmap": False},
        target_opset={"": 17, "ai.onnx.ml": 3},
        name="digits",
    )
    (folder / "digits.onnx").write_bytes(converted.SerializeToString(deterministic=True))

    # One picture each of five different digits.
    chosen = [int(np.flatnonzero(test_y == digit)[0]) for digit in range(0, 2 * SAMPLES, 2)]
    rows = test_x[chosen]
    probabilities = pipeline.predict_proba(rows)
    samples = [
        {"pixels": row.astype(int).tolist(), "is": int(truth), "label": int(label), "probabilities": [round(p, 9) for p in chances.tolist()]}
        for row, truth, label, chances in zip(rows, test_y[chosen], pipeline.predict(rows), probabilities)
    ]
    text = ",\n".join(json.dumps(sample) for sample in samples)
    accuracy = round(float(pipeline.score(test_x, test_y)), 4)
    (folder / "digits.json").write_text(f'{{"accuracy": {accuracy}, "samples": [\n{text}\n]}}\n')
    print(f"accuracy {accuracy} on {len(test_x)} pictures held out")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
