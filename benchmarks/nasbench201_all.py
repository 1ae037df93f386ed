"""Quick scores and their composites on NAS-Bench-201: all cells, or as many as are done.

Equal networks (equal digests: 7,563 of them) are scored once. Networks are small: 8 channels, five
cells per stage, 16 x 16 noise. Cells come in a random order, so that what a part of the run covers
is a random sample of cells. RAW is appended to as scores come; the same command goes on where it
stopped; several parts may run at once, each with its own RAW.

    OMP_WAIT_POLICY=passive python benchmarks/nasbench201_all.py --table nasbench201.parquet \
        --raw raw0.jsonl --part 0 --parts 2                 # and --part 1 in another process
    python benchmarks/nasbench201_all.py --table nasbench201.parquet \
        --report raw0.jsonl raw1.jsonl --out benchmarks/results/nasbench201_all.csv
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch

from nascout.benchmark import BENCHMARKS
from nascout.benchmark.judgement import TOPS, judge
from nascout.benchmark.picks import top_threshold
from nascout.network import build
from nascout.score.card import SCORES
from nascout.score.composite import COMPOSITES
from nascout.space.nasbench201 import NasBench201

SPACE = NasBench201(channels=8, cells=5, input_shape=(3, 16, 16))
ONE_CELL = NasBench201(channels=8, cells=1, input_shape=(3, 16, 16))
ACCURACIES = ("c10_test", "c100_test")
SHOWN = ("score", "spearman", "kendall", "spearman_top10", "pick1000_accuracy", "failed")


def read(table: Path) -> pd.DataFrame:
    """The benchmark's rows in a random order, with digests that are equal for equal networks."""
    frame = BENCHMARKS["nasbench201"]().read(table).sample(frac=1, random_state=0)
    # Cells are equal or not at any depth; one per stage is quick to tell.
    return frame.assign(digest=[ONE_CELL.parse(text).digest for text in frame["architecture"]])


def score(frame: pd.DataFrame, raw: Path, names: Sequence[str], part: int, parts: int) -> None:
    """Append the scores of every ``parts``-th distinct network that RAW does not hold."""
    noise = torch.randn((32, *SPACE.input_shape), generator=torch.Generator().manual_seed(1))
    done = {json.loads(line)["digest"] for line in raw.open()} if raw.exists() else set()
    distinct = frame.drop_duplicates("digest").iloc[part::parts]
    with raw.open("a") as file:
        for text, digest in zip(distinct["architecture"], distinct["digest"], strict=True):
            if digest not in done:
                net = build(SPACE.parse(text))
                values = {name: SCORES[name](net, noise) for name in names}
                file.write(json.dumps({"digest": digest, **values}) + "\n")
                file.flush()


def report(frame: pd.DataFrame, raws: Sequence[Path], resamples: int) -> pd.DataFrame:
    """Every statistic, per accuracy, of every score and of the composites that these make up."""
    values = pd.concat([pd.read_json(raw, lines=True) for raw in raws]).drop_duplicates("digest")
    known = frame["digest"].isin(values["digest"])
    sample = frame[known.cummin()]  # up to the first that is missing
    merged = sample.merge(values, on="digest")
    print(f"{merged['digest'].nunique()} distinct networks, {len(merged)} of {len(frame)} cells")
    scores = {name: merged[name].to_numpy(float) for name in values if name != "digest"}
    for composite in COMPOSITES:
        if scores.keys() >= {part for part, _ in COMPOSITES[composite].parts}:
            scores[composite] = COMPOSITES[composite].join(scores)
    tables = []
    for accuracy in ACCURACIES:
        truth = merged[accuracy].to_numpy(float)
        bars = {top: top_threshold(frame[accuracy].to_numpy(float), q) for top, q in TOPS.items()}
        judged = judge(scores, truth, bars, resamples=resamples)
        judged.insert(0, "accuracy", accuracy)
        tables.append(judged)
    return pd.concat(tables)


def main() -> None:
    """Score one part, or report on what the parts left."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--scores", nargs="+", default=["independence", "params"])
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--part", type=int, default=0)
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--report", type=Path, nargs="+")
    parser.add_argument("--resamples", type=int, default=100)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    frame = read(options.table)
    if options.raw:
        score(frame, options.raw, options.scores, options.part, options.parts)
    if options.report:
        found = report(frame, options.report, options.resamples)
        print(found[["accuracy", *SHOWN]].round(4).to_string(index=False))
        if options.out:
            found.round(4).to_csv(options.out, index=False)


if __name__ == "__main__":
    main()
