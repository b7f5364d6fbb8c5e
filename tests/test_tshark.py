"""The second reader by itself: what is counted, what is missing, and what is left behind."""

import struct
import threading
from pathlib import Path

import pytest

from evpn_pcap.errors import CaptureError, DependencyError
from evpn_pcap.model import Decoded, Options, Source
from evpn_pcap.tshark import decode_with_tshark
from evpn_pcap.tshark_fields import epoch_ns

NOTHING_KNOWN = Options(vxlan_ports=frozenset())


def read(file: Path, options: Options = Options()) -> Decoded:  # noqa: B008 -- frozen
    return decode_with_tshark(Source(5, file, file.name, "pve1", "ens18"), options)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1795375617.632792000", 1_795_375_617_632_792_000),
        ("1795375617.632792001", 1_795_375_617_632_792_001),
        ("9223372036.854775807", 2**63 - 1),
        ("0.000000001", 1),
        ("-1.500000000", -1_500_000_000),
        (None, 0),
    ],
)
def test_times_are_exact(text, nanoseconds):
    """A time in decimal seconds becomes the very nanosecond, where a float would miss it."""
    assert epoch_ns(text) == nanoseconds


def test_a_missing_tshark_is_named(monkeypatch, tmp_path):
    """Without tshark the user learns which Debian package to install."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(DependencyError, match="Debian's package tshark"):
        read(tmp_path / "any.pcap")


@pytest.mark.tshark
def test_what_is_no_capture_is_refused(tmp_path):
    """A file that Wireshark opens as something else is no capture, and neither is one that is not there."""
    (tmp_path / "notes.pcap").write_text("not a capture")

    with pytest.raises(CaptureError, match=r"notes\.pcap"):
        read(tmp_path / "notes.pcap")
    with pytest.raises(CaptureError, match=r"absent\.pcap"):
        read(tmp_path / "absent.pcap")


@pytest.mark.tshark
def test_nanoseconds_of_a_file_are_kept(tmp_path):
    """A pcap file of nanoseconds gives its times back, to the last digit, in any format that is still pcap."""
    times = [(1_795_375_617, 632_792_001), (1_795_375_617, 632_792_002), (4_294_967_295, 999_999_999)]
    records = [struct.pack("<IIII", seconds, nanoseconds, 60, 60) + bytes(60) for seconds, nanoseconds in times]
    header = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1)
    (tmp_path / "nano.pcap").write_bytes(header + b"".join(records))

    decoded = read(tmp_path / "nano.pcap")

    assert decoded.capture.packet_count == 3
    assert decoded.capture.first_ns == 1_795_375_617_632_792_001
    assert decoded.capture.last_ns == 4_294_967_295_999_999_999


@pytest.mark.tshark
@pytest.mark.corpus
def test_a_cut_file_keeps_its_whole_records(captures_folder, tmp_path):
    """tshark ends with an error for a cut file; its records count all the same, and the cut is told."""
    whole = (captures_folder / "arp-flooded/vm1-ens19.pcap").read_bytes()
    (tmp_path / "cut.pcap").write_bytes(whole[:-10])

    decoded = read(tmp_path / "cut.pcap")

    assert decoded.capture.packet_count == 33
    assert decoded.capture.is_truncated
    assert decoded.anomalies["name"].tolist() == ["cut-tail"]


@pytest.mark.tshark
@pytest.mark.corpus
def test_every_record_is_accounted_for(captures_folder):
    """Records = decoded + skipped; rows of the interfaces add up to the capture."""
    decoded = read(captures_folder / "arp-flooded/pve1-any.pcap")

    assert (
        decoded.capture.packet_count == decoded.capture.decoded_count == decoded.interfaces["packet_count"].sum() == 263
    )
    assert decoded.interfaces["interface_index"].tolist() == [2, 3, 4, 7]
    assert decoded.interfaces["arp_count"].sum() == decoded.packets["protocol"].eq("arp").sum()


@pytest.mark.tshark
@pytest.mark.corpus
def test_one_frame_has_one_key_wherever_it_is_seen(captures_folder):
    """A request flooded through VXLAN has the key it had at the VM; so has an ordinary packet."""
    vm = read(captures_folder / "arp-flooded/vm1-ens19.pcap")
    underlay = read(captures_folder / "arp-flooded/pve1-ens18.pcap")

    requests = vm.packets[(vm.packets["protocol"] == "arp") & (vm.packets["operation"] == 1)]
    copies = underlay.packets[underlay.packets["vni"].notna() & (underlay.packets["protocol"] == "arp")]

    assert len(set(requests["frame_key"]) & set(copies["frame_key"])) >= 1
    assert len(set(vm.anchors["anchor_key"]) & set(underlay.anchors["anchor_key"])) >= 5
    assert vm.anchors["anchor_key"].is_unique


@pytest.mark.tshark
@pytest.mark.corpus
def test_vxlan_is_what_the_options_say(captures_folder):
    """On ports that are not VXLAN's the outer datagram is an ordinary packet."""
    decoded = read(captures_folder / "arp-flooded/pve1-ens18.pcap", NOTHING_KNOWN)

    assert decoded.packets["vni"].isna().all()
    assert (decoded.anchors["destination_port"] == 4789).sum() == 62


@pytest.mark.tshark
@pytest.mark.corpus
def test_it_runs_beside_others(captures_folder):
    """The reader needs neither the main thread nor an event loop of the caller's."""
    results: list[Decoded] = []
    threads = [
        threading.Thread(target=lambda: results.append(read(captures_folder / "arp-flooded/vm1-ens19.pcap")))
        for _ in range(2)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)

    assert [one.capture.packet_count for one in results] == [34, 34]
