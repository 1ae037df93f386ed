import base64
import json
import struct

import pytest

import nascout
from nascout.benchmark.official.convert import convert
from nascout.benchmark.official.crc32c import crc32c, masked_crc32c
from nascout.benchmark.official.nasbench101 import read_nasbench101
from nascout.benchmark.official.protobuf import fields
from nascout.errors import DataError, IntegrityError


def bitwise_crc32c(content):
    """By the definition, a bit at a time."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_checksums():
    # RFC 3720, B.4: zeros, ones, ascending, descending bytes.
    vectors = [bytes(32), b"\xff" * 32, bytes(range(32)), bytes(range(31, -1, -1))]
    assert crc32c(vectors).tolist() == [0x8A9136AA, 0x62A8AB43, 0x46DD794E, 0x113FDB5C]
    mixed = [b"abc", b"", bytes(1000), b"123456789", b"z"]
    assert crc32c(mixed).tolist() == [bitwise_crc32c(content) for content in mixed]
    assert crc32c([]).tolist() == []


def masked(content):
    crc = bitwise_crc32c(content)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def test_the_mask_of_record_files():
    assert masked_crc32c([b"abc"]).tolist() == [struct.unpack("<I", masked(b"abc"))[0]]


def frame(content):
    head = struct.pack("<Q", len(content))
    return head + masked(head) + content + masked(content)


@pytest.fixture(scope="session")
def model_metrics():
    """The official messages, written by protobuf itself."""
    descriptor = pytest.importorskip("google.protobuf.descriptor_pb2")
    pool = pytest.importorskip("google.protobuf.descriptor_pool").DescriptorPool()
    factory = pytest.importorskip("google.protobuf.message_factory")
    file = descriptor.FileDescriptorProto(name="metrics.proto", syntax="proto2")
    kinds = descriptor.FieldDescriptorProto
    evaluation = file.message_type.add(name="EvaluationData")
    names = ["current_epoch", "training_time", "train_accuracy", "validation_accuracy"]
    for number, name in enumerate([*names, "test_accuracy"], 1):
        evaluation.field.add(name=name, number=number, type=kinds.TYPE_DOUBLE, label=1)
    evaluation.field.add(name="checkpoint_path", number=6, type=kinds.TYPE_STRING, label=1)
    metrics = file.message_type.add(name="ModelMetrics")
    metrics.field.add(
        name="evaluation_data",
        number=1,
        type=kinds.TYPE_MESSAGE,
        type_name=".EvaluationData",
        label=3,
    )
    metrics.field.add(name="trainable_parameters", number=2, type=kinds.TYPE_INT32, label=1)
    metrics.field.add(name="total_time", number=3, type=kinds.TYPE_DOUBLE, label=1)
    pool.Add(file)
    return factory.GetMessageClass(pool.FindMessageTypeByName("ModelMetrics"))


def line(model_metrics, digest, record, run, epochs=108):
    message = model_metrics(trainable_parameters=record["trainable_parameters"], total_time=5.0)
    message.evaluation_data.add(current_epoch=0.0, checkpoint_path="a")
    for part in ("halfway", "final"):
        message.evaluation_data.add(
            current_epoch=54.0,
            training_time=run[f"{part}_training_time"],
            train_accuracy=run[f"{part}_train_accuracy"],
            validation_accuracy=run[f"{part}_validation_accuracy"],
            test_accuracy=run[f"{part}_test_accuracy"],
            checkpoint_path="a/b",
        )
    adjacency = "".join(str(e) for row in record["module_adjacency"] for e in row)
    metrics = base64.b64encode(message.SerializeToString()).decode()
    row = [digest, epochs, adjacency, ",".join(record["module_operations"]), metrics]
    return json.dumps(row).encode()


@pytest.mark.slow
def test_published_records_come_back(tmp_path, shared_data, model_metrics):
    records = json.loads((shared_data / "nasbench101_records.json").read_text())
    path = tmp_path / "nasbench_only108.tfrecord"
    lines = [
        line(model_metrics, digest, record, run)
        for digest, record in records.items()
        for run in record["runs_108"]
    ]
    path.write_bytes(b"".join(map(frame, lines)))
    assert convert(path, tmp_path / "a.parquet").benchmark == "nasbench101"
    found = nascout.benchmark("nasbench101", tmp_path / "a.parquet")
    space = nascout.space("nasbench101")
    assert len(found) == len(records)
    for digest, record in records.items():
        cell = space.from_matrix(record["module_adjacency"], record["module_operations"])
        assert space.hash(cell) == digest
        runs = record["runs_108"]
        tests = [run["final_test_accuracy"] for run in runs]
        assert [found.query(cell, split="test", seed=i) for i in range(len(runs))] == tests
        mean = sum(tests) / len(tests)
        assert found.query(cell, split="test", seed="mean") == pytest.approx(mean)
        half = {"split": "val", "seed": 1, "metric": "halfway_accuracy"}
        assert found.query(cell, **half) == runs[1]["halfway_validation_accuracy"]
        assert found.simulated_time(cell, seed=2) == runs[2]["final_training_time"]
        assert found.query(cell, metric="params") == record["trainable_parameters"]


RUN = {
    f"{part}_{name}": 0.5
    for part in ("halfway", "final")
    for name in ("training_time", "train_accuracy", "validation_accuracy", "test_accuracy")
}
CELL = {
    "module_adjacency": [[0, 1, 0], [0, 0, 1], [0, 0, 0]],
    "module_operations": ["input", "maxpool3x3", "output"],
    "trainable_parameters": 12,
}


def test_damage_is_noticed(tmp_path, model_metrics):
    good = frame(line(model_metrics, "h", CELL, RUN))
    path = tmp_path / "a.tfrecord"
    path.write_bytes(good)
    assert len(read_nasbench101(path)) == 1
    for place in range(len(good)):
        damaged = bytearray(good)
        damaged[place] ^= 4
        path.write_bytes(damaged)
        with pytest.raises((IntegrityError, DataError)):
            read_nasbench101(path)
    path.write_bytes(good + good[:-1])
    with pytest.raises(DataError, match="ends within a record"):
        read_nasbench101(path)


@pytest.mark.parametrize(
    "content",
    [b"{}", b"[1, 2]", b'["h", 108, "010", "input,output", "AA"]', b'["h", 4, "0", "input", ""]'],
)
def test_lines_that_are_no_record_are_refused(tmp_path, content):
    (tmp_path / "a.tfrecord").write_bytes(frame(content))
    with pytest.raises(DataError, match="no record"):
        read_nasbench101(tmp_path / "a.tfrecord")
    with pytest.raises(DataError, match="no file"):
        read_nasbench101(tmp_path / "b.tfrecord")


@pytest.mark.parametrize(
    "message", [b"\x09\x00", b"\x0a\x05hi", b"\x08\xff", b"\x0b", b"\x08" + b"\xff" * 12]
)
def test_messages_that_end_early_are_refused(message):
    with pytest.raises(ValueError, match=r"ends|end|wire type"):
        list(fields(message))
