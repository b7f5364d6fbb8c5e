"""Every BGP message of the public captures as tshark shows it: attributes of all families, and the account of NLRI."""

import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from evpn_pcap import columns
from evpn_pcap.decode.bgp_attributes import read_fields, split_attributes
from evpn_pcap.decode.bgp_messages import HEADER, UPDATE, split_messages
from evpn_pcap.model import Options
from evpn_pcap.reading import read_captures
from tests.bgp_octets import decode_updates, join_streams

pytestmark = [pytest.mark.corpus, pytest.mark.tshark]

ATTRIBUTE = "bgp.update.path_attribute"
SHOWN = {  # column -> code of the attribute, and the field that tshark shows its value in
    "path_origin": (1, f"{ATTRIBUTE}.origin"),
    "med": (4, f"{ATTRIBUTE}.multi_exit_disc"),
    "local_preference": (5, f"{ATTRIBUTE}.local_pref"),
    "originator_ip": (9, f"{ATTRIBUTE}.originator_id"),
}
ORIGINS = {"0": "igp", "1": "egp", "2": "incomplete"}


@pytest.fixture(scope="module")
def files(captures_folder):
    """Return the public captures with BGP."""
    folder = captures_folder.parent / "corpus"
    wanted = [folder / "ryu-bgp4", folder / "tcpdump" / "tests"]
    files = [file for one in wanted for file in sorted(one.iterdir()) if "pcap" in file.suffix]
    return [file for file in files if file.name.startswith(("bgp", "evpn", "flowspec", "mpbgp"))]


@pytest.fixture(scope="module")
def merged(files, tmp_path_factory):
    """Return all of them in one file, so that tshark starts once."""
    out = tmp_path_factory.mktemp("bgp") / "all.pcapng"
    subprocess.run(["mergecap", "-a", "-w", str(out), *map(str, files)], check=True, capture_output=True)
    return out


@pytest.fixture(scope="module")
def frames(merged):
    """Return, for every frame with BGP: payload, whether tshark finds it sound, its UPDATEs by their place."""
    tree = ElementTree.fromstring(tshark(merged, "-Y", "bgp", "-T", "pdml"))
    found = []
    for packet in tree:
        payload = packet.find("proto[@name='tcp']/field[@name='tcp.payload']")
        is_sound = not any(one.get("name", "").startswith("_ws.malformed") for one in packet.iter())
        updates = [one for one in packet.findall("proto[@name='bgp']") if show(one, "bgp.type") == str(UPDATE)]
        places = {int(one.get("pos")) - int(payload.get("pos")): one for one in updates}
        found.append((bytes.fromhex(payload.get("value")), is_sound, places))
    return found


def tshark(file, *asked):
    """Return what tshark says of a file whose connections are several: each frame for itself."""
    alone = ("-o", "tcp.desegment_tcp_streams:FALSE", "-o", "tcp.analyze_sequence_numbers:FALSE")
    command = ["tshark", "-n", *alone, "-r", str(file), *asked]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def show(element, name):
    """Return what tshark shows of the first field of a name."""
    found = element.find(f".//field[@name='{name}']")
    return None if found is None else found.get("show")


def shows(element, *endings):
    """Return what tshark shows of all fields whose name ends so."""
    return [one.get("show") for one in element.iter("field") if one.get("name").endswith(endings)]


def attributes_shown(message):
    """Return each path attribute by code, flags and length, the first of a code; those in an ATTR_SET are its value."""
    found = {}
    for one in message.findall(f"field[@name='{ATTRIBUTE}s']/field[@name='{ATTRIBUTE}']"):
        code, flags, length = (int(show(one, f"{ATTRIBUTE}.{part}"), 0) for part in ("type_code", "flags", "length"))
        found.setdefault(code, ((code, flags, length), one))
    return [key for key, _ in found.values()], {code: one for code, (_, one) in found.items()}


def values_shown(elements):
    """Return the values of the attributes that are numbers and addresses, by the name of our column."""
    told = {name: show(elements[code], shown) for name, (code, shown) in SHOWN.items() if code in elements}
    told["path_origin"] = ORIGINS.get(told.get("path_origin"))
    told["as_path"] = [text for code in elements if code == 2 for text in shows(elements[code], ".as2", ".as4")]
    told["cluster_list"] = [text for code in elements if code == 10 for text in shows(elements[code], ".cluster_id")]
    return {name: value for name, value in told.items() if value}


def updates_of(payload):
    """Return the bodies of the UPDATEs in a payload by their place."""
    messages, _, _ = split_messages(payload, is_aligned=True)
    told = zip(*(values.tolist() for values in messages), strict=True)
    return {start: payload[start + HEADER.size : stop] for start, stop, kind in told if kind == UPDATE}


def attributes_of(body):
    """Return what we read of an UPDATE in the same terms, and what was wrong."""
    at = 4 + int.from_bytes(body[:2])
    attributes, troubles = split_attributes(body[at : at + int.from_bytes(body[at - 2 : at])])
    fields, others = read_fields(tuple(attributes.values()))
    told = {name: str(fields[name]) for name in SHOWN if name in fields}
    told["as_path"] = fields.get("as_path", "").translate(str.maketrans("{}()[],", "       ")).split()
    told["cluster_list"] = fields.get("cluster_list", "").split()
    listed = [(one.code, one.flags, len(one.value)) for one in attributes.values()]
    return listed, {name: value for name, value in told.items() if value}, [*troubles, *others]


def test_updates_of_every_family_equal_tsharks(frames):
    """Every UPDATE of a sound frame has the attributes and values that tshark shows, and no trouble."""
    sound = [(updates_of(payload), shown) for payload, is_sound, shown in frames if is_sound]
    pairs = [(ours[place], shown[place]) for ours, shown in sound for place in ours]

    listed = [(attributes_of(body), attributes_shown(message)) for body, message in pairs]

    assert len(pairs) > 60
    assert [(ours[0], shown[0]) for ours, shown in listed if ours[0] != shown[0]] == []
    assert [pair for pair in ((ours[1], values_shown(shown[1])) for ours, shown in listed) if pair[0] != pair[1]] == []
    assert [ours[2] for ours, _ in listed if ours[2]] == []


def test_malformed_updates_equal_tsharks_as_far_as_both_read(frames):
    """Of a frame that tshark finds malformed, both show the same attributes up to where one of the two stops.

    We stop at the first attribute whose length passes the end (RFC 7606, 4), tshark at the first that it cannot
    dissect. Behind an impossible header we look for the next marker; tshark leaves the frame.
    """
    broken = [(updates_of(payload), shown) for payload, is_sound, shown in frames if not is_sound]
    pairs = [(ours[place], shown[place]) for ours, shown in broken for place in ours.keys() & shown.keys()]

    listed = [(attributes_of(body)[0], attributes_shown(message)[0]) for body, message in pairs]

    assert len(pairs) > 15
    assert [pair for pair in listed if any(ours != theirs for ours, theirs in zip(*pair, strict=False))] == []


def test_every_nlri_is_accounted_for(files, merged):
    """The NLRI that tshark delimits are announced, withdrawn or undecoded rows, and there are no others."""
    shown = tshark(merged, "-Y", "bgp.evpn.nlri", "-T", "fields", "-e", "bgp.evpn.nlri.rt").replace(",", "\n").split()

    decoded, _ = read_captures([f"host{number}={file}" for number, file in enumerate(files)], Options())
    segments = columns.SEGMENTS.concat([one.segments for one in decoded])
    updates, anomalies = decode_updates(join_streams(segments)[0])
    rows = updates[updates["route_type"].notna()]

    assert sorted(rows["route_type"].astype(str)) == sorted(shown)
    assert set(rows["action"]) <= {"advertise", "withdraw", "refused"}
    assert rows.loc[~rows["is_decoded"], "raw"].notna().all()
    assert "bgp.nlri.length" not in set(anomalies["name"])
