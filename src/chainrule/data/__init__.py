"""Data: samples as rows X (m, n), their classes y (m,), scaling, and rows held out to judge by."""

from chainrule.data.classes import to_binary
from chainrule.data.dataset import Dataset, ImageShape, plane_order
from chainrule.data.errors import DataError
from chainrule.data.formats.pictures import read_image
from chainrule.data.loading import READERS, formats_help, is_table, load, load_test, read_rows, reader_of
from chainrule.data.scaling import Scaling
from chainrule.data.splitting import split

__all__ = [
    "READERS",
    "DataError",
    "Dataset",
    "ImageShape",
    "Scaling",
    "formats_help",
    "is_table",
    "load",
    "load_test",
    "plane_order",
    "read_image",
    "read_rows",
    "reader_of",
    "split",
    "to_binary",
]
