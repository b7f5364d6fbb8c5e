"""Kinds of values: how each sort is stored and in which unit."""

from evpn_pcap.table import Kind

TIME = Kind("int64", "ns since the Unix epoch")
MAYBE_TIME = Kind("Int64", "ns since the Unix epoch")
SPAN = Kind("int64", "ns")
MAYBE_SPAN = Kind("Int64", "ns")
ID = Kind("int64")
MAYBE_ID = Kind("Int64")
FRAME = Kind("int64")  # addresses.frame_id(capture, number)
IDS = Kind("object")  # tuple of int
TEXTS = Kind("object")  # tuple of str
INDEX = Kind("int32")
COUNT = Kind("int64")
MAYBE_COUNT = Kind("Int64")
MAC = Kind("UInt64")
IP = Kind("str", "canonical text")
VNI = Kind("UInt32")
VLAN = Kind("UInt16")
PORT = Kind("UInt16")
CODE = Kind("UInt16")
NUMBER = Kind("UInt32")
HASH = Kind("uint64")
FLAG = Kind("boolean")
WORD = Kind("str")
TEXT = Kind("str")
OCTETS = Kind("object")  # bytes
LENGTH = Kind("int64", "bytes")
RATIO = Kind("float64")
