"""The csv form of split files; that of JSON is tested with `r2n2`, the published one with `shapenet`."""

from __future__ import annotations

import pytest

from datasets import DataError
from datasets.splits import read_split_file


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("id,synset,modelId,split\n", "no column 'synsetId'; it needs synsetId, modelId, split"),
        ("", "no column 'synsetId'"),
        ("synsetId,modelId,split\n3001627,a,trian\n", "line 2 says '3001627', 'a', 'trian'; expected"),
        ("synsetId,modelId,split\n3001627,../a,train\n", r"line 2 says '3001627', '\.\./a', 'train'"),
        ("synsetId,modelId,split\nchair,a,train\n", "line 2 says 'chair', 'a', 'train'"),
        ("synsetId,modelId,split\n3001627,a\n", "line 2 says '3001627', 'a', 'None'"),
        (
            "synsetId,modelId,split\n3001627,a,train\n03001627,a,test\n",
            "03001627/a is in 'train' and in 'test'",
        ),
        ("synsetId,modelId,split\n3001627,\0,train\n", "line 2 says '3001627'"),
    ],
)
def test_bad_csv_files_are_named(tmp_path, text, reason):
    path = tmp_path / "list.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=reason) as caught:
        read_split_file(path)
    assert str(path) in str(caught.value)


def test_csv_of_another_encoding_or_missing(tmp_path):
    (tmp_path / "a.csv").write_bytes("synsetId,modelId,split\n1,ä,train\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"a\.csv: no csv: .*utf-8"):
        read_split_file(tmp_path / "a.csv")
    with pytest.raises(DataError, match=r"b\.csv: No such file"):
        read_split_file(tmp_path / "b.csv")
