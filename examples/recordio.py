# SPDX-License-Identifier: Apache-2.0
"""RecordIO-protobuf, the format that SageMaker's built-in algorithms train from, written without the SageMaker SDK."""
import io
import struct

import numpy as np
import scipy.sparse as sp


def _varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number, payload):
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _entry(key, tensor):  # one map<string, Value> entry whose Value holds a Float32Tensor
    return _field(1, key) + _field(2, _field(2, tensor))


def recordio(matrix, labels=None):
    """Rows of a CSR matrix (sparse records) or an array (dense records) as RecordIO-protobuf bytes."""
    out = io.BytesIO()
    sparse = sp.issparse(matrix)
    for i in range(matrix.shape[0]):
        if sparse:
            begin, end = matrix.indptr[i], matrix.indptr[i + 1]
            tensor = (_field(1, matrix.data[begin:end].astype("<f4").tobytes())
                      + _field(2, b"".join(_varint(int(c)) for c in matrix.indices[begin:end]))
                      + _field(3, _varint(matrix.shape[1])))
        else:
            tensor = _field(1, np.asarray(matrix[i], dtype="<f4").tobytes())
        record = _field(1, _entry(b"values", tensor))
        if labels is not None:
            record += _field(2, _entry(b"values", _field(1, struct.pack("<f", float(labels[i])))))
        out.write(struct.pack("<II", 0xCED7230A, len(record)) + record + b"\0" * (-len(record) % 4))
    return out.getvalue()
