"""Data: samples as rows X (m, n), their classes y (m,), scaling, and rows held out to judge by."""

from chainrule.data.classes import to_binary
from chainrule.data.dataset import Dataset, ImageShape, plane_order
from chainrule.data.errors import DataError
from chainrule.data.formats.pictures import read_image
from chainrule.data.formats.reader import Wanted
from chainrule.data.loading import READERS, formats_help, load, load_test, reader_of
from chainrule.data.samples import Block, Samples, open_samples
from chainrule.data.scaling import Scaling
from chainrule.data.splitting import split

__all__ = [
    "READERS",
    "Block",
    "DataError",
    "Dataset",
    "ImageShape",
    "Samples",
    "Scaling",
    "Wanted",
    "formats_help",
    "load",
    "load_test",
    "open_samples",
    "plane_order",
    "read_image",
    "reader_of",
    "split",
    "to_binary",
]
