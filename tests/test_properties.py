"""The laws: what must hold for every fabric and every set of captures, on simulated fabrics with known truth."""

import json

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import evpn_pcap
from evpn_pcap import synth
from evpn_pcap.model import Options

SETTINGS = settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # a whole analysis is too slow an example to shrink
    suppress_health_check=[HealthCheck.too_slow],
)
GATEWAY = "10.2.1.1"
OFFSET_LIMIT_NS = 3_600_000_000_000
ANSWERED_BY = {"proxy": "proxy", "EVPN1": "gateway"}  # the truth writes pve1:proxy, pve1:EVPN1, vm2

offsets = st.integers(-OFFSET_LIMIT_NS, OFFSET_LIMIT_NS)
clocks = st.builds(synth.Clock, offset_ns=offsets, drift_ppb=st.integers(-40_000, 40_000))
hosts = ("pve1", "pve2", "pve3", "vm1", "vm2", "vm3")
placements = st.sampled_from([(1, 2, 3), (1, 1, 2), (2, 1, 1), (3, 3, 3)])
actions = st.lists(
    st.one_of(
        st.tuples(st.just("ping"), st.sampled_from(hosts[3:]), st.sampled_from((*hosts[3:], GATEWAY))),
        st.tuples(st.just("suppress"), st.sampled_from(hosts[:3]), st.booleans()),
        st.tuples(st.just("forget"), st.sampled_from(hosts[3:]), st.none()),
        st.tuples(st.just("announcement"), st.sampled_from(hosts[3:]), st.none()),
    ),
    min_size=3,
    max_size=8,
)


def story(steps, wrong_clocks, seed, placement=(1, 2, 3)) -> synth.Recording:
    """Return what three VTEPs and three VMs show of some actions, with traffic before for the clocks."""
    fabric = synth.small_fabric(3, placement, clocks=wrong_clocks, seed=seed)
    lab = synth.Simulation(fabric)
    for vm in hosts[3:]:
        lab.connect(vm)
    lab.start_sessions()
    lab.wait(3)
    for target in ("vm2", "vm3"):
        lab.ping("vm1", target)
    lab.traffic("vm2", "vm3", 5, 2000)
    for verb, who, what in steps:
        lab.wait(4)
        if verb == "ping" and who != what:
            lab.ping(who, what)
        elif verb == "suppress":
            lab.suppress(who, is_on=what)
        elif verb in ("forget", "announcement"):
            getattr(lab, verb)(who)
    lab.wait(4)
    for vm in ("vm2", "vm3"):
        lab.traffic("vm1", vm, 2, 2000)  # so that every capture lasts beyond the last question
    return lab.recording()


def answerer(word: str | None) -> str:
    return ANSWERED_BY.get(word.partition(":")[2], "target") if word else "none"


def claims(analysis) -> list[tuple]:
    """Return what the analysis says of each resolution, without times."""
    rows = analysis.tables.resolutions
    named = rows[rows["kind"] == "resolution"].sort_values("time_ns")
    read = ["protocol", "requester_ip", "target_ip", "outcome", "answered_by"]
    return sorted(named[read].itertuples(index=False, name=None))


def truth(recording) -> list[tuple]:
    rows = recording.truth["resolutions"]
    return sorted(
        (row["protocol"], row["requester_ip"], row["target"], row["class"], answerer(row["answered_by"]))
        for row in rows
    )


@SETTINGS
@given(actions, st.fixed_dictionaries(dict.fromkeys(hosts, clocks)), st.integers(0, 10**6))
def test_any_story_is_told_right(tmp_path_factory, steps, wrong_clocks, seed):
    """Whatever happens in the fabric and however wrong the clocks are, every resolution is found and right."""
    folder = tmp_path_factory.mktemp("story")
    recording = story(steps, wrong_clocks, seed)
    recording.write(folder)

    analysis = evpn_pcap.analyze([folder])

    assert claims(analysis) == truth(recording)


def could_be(said: dict, true_rows: list[dict]) -> bool:
    """Return whether one of the true resolutions is near enough in time and contradicts nothing of what is said."""
    return any(
        (said["protocol"], said["requester_ip"], said["target_ip"])
        == (row["protocol"], row["requester_ip"], row["target"])
        and abs(said["time_ns"] - row["t_ns"]) < 50_000_000
        and said["outcome"] in ("undecided", row["class"])
        and said["answered_by"] in ("unknown", answerer(row["answered_by"]))
        for row in true_rows
    )


@SETTINGS
@given(actions, st.integers(0, 10**6), st.sets(st.sampled_from(hosts), min_size=1, max_size=5), placements)
def test_missing_hosts_make_doubt_not_error(tmp_path_factory, steps, seed, kept, placement):
    """With the captures of some hosts only, what is claimed is still true, if what it says that it assumes is."""
    folder = tmp_path_factory.mktemp("part")
    recording = story(steps, {}, seed, placement)
    recording.write(folder, points=kept)

    rows = evpn_pcap.analyze([folder]).tables.resolutions

    said = rows[rows["kind"] == "resolution"].to_dict("records")
    unassumed = [one for one in said if not (one["assumptions"] and len(set(placement)) < 3)]
    assert [one for one in unassumed if not could_be(one, recording.truth["resolutions"])] == []


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """One story with wrong clocks: the folder, the recording and its analysis."""
    folder = tmp_path_factory.mktemp("told")
    steps = [
        ("ping", "vm1", GATEWAY),
        ("ping", "vm2", GATEWAY),
        ("forget", "vm1", None),
        ("ping", "vm1", "vm2"),
        ("announcement", "vm3", None),
    ]
    wrong_clocks = {"pve1": synth.Clock(5_000_000, 3_000), "vm2": synth.Clock(-70_000_000, 9_000)}
    recording = story(steps, wrong_clocks, 7)
    recording.write(folder)
    return folder, recording, evpn_pcap.analyze([folder])


def test_names_and_order_of_files_do_not_matter(told, tmp_path):
    """Renaming every host and giving the files in another order changes no claim."""
    folder, recording, analysis = told
    names = {host: f"h{number}" for number, host in enumerate(reversed(hosts))}
    labels = []
    for number, path in enumerate(sorted(folder.glob("*.pcap"), reverse=True)):
        host = path.stem.split("-")[0]
        copy = tmp_path / f"{number}.pcap"
        copy.write_bytes(path.read_bytes())
        labels.append(f"{names[host]}:p{number}={copy}")

    renamed = evpn_pcap.analyze(labels)

    assert claims(renamed) == claims(analysis) == truth(recording)
    assert [finding.fingerprint for finding in renamed.findings] == [f.fingerprint for f in analysis.findings]


def test_a_constant_on_every_clock_does_not_matter(told, tmp_path):
    """Shifting all clocks by the same constant moves every time by it, and changes no claim and no margin."""
    _, recording, analysis = told
    shift_ns = 86_400_000_000_000
    later = {
        host: synth.Clock(recording.clock(host).offset_ns + shift_ns, recording.clock(host).drift_ppb) for host in hosts
    }
    moved = synth.Recording(
        synth.small_fabric(3, (1, 2, 3), clocks=later),
        {
            place: tuple(synth.Record(one.captured_ns + shift_ns, one.octets, one.direction) for one in records)
            for place, records in recording.captures.items()
        },
        recording.truth,
        recording.started_ns,
        recording.ended_ns,
    )
    moved.write(tmp_path)

    shifted = evpn_pcap.analyze([tmp_path])

    assert claims(shifted) == claims(analysis)
    rows, before = shifted.tables.resolutions, analysis.tables.resolutions
    assert (rows["time_ns"] - before["time_ns"] == shift_ns).all()
    assert (rows["margin_ns"] == before["margin_ns"]).all()


def test_every_request_is_in_exactly_one_row(told):
    """The requests of all rows are all the requests that were seen, each once."""
    _, _, analysis = told
    events = analysis.tables.events
    asked = events[events["kind"].notna() & (events["segment"] != "underlay")]

    assert analysis.tables.resolutions["request_count"].sum() == asked["transmission_id"].nunique()


def test_both_forms_of_file_say_the_same(told, tmp_path):
    """pcapng with several interfaces in a file, and pcap with one, give the same claims."""
    _, recording, analysis = told
    recording.write(tmp_path, form="pcapng")

    assert claims(evpn_pcap.analyze([tmp_path])) == claims(analysis)


def test_selecting_changes_no_verdict(told):
    """--vni and --since select rows; the rows that are left say what they said."""
    folder, _, analysis = told
    rows = analysis.tables.resolutions
    middle_ns = int(rows["time_ns"].median())

    chosen = evpn_pcap.analyze([folder], Options(vnis=frozenset({5001}), since_ns=middle_ns)).tables.resolutions
    none = evpn_pcap.analyze([folder], Options(vnis=frozenset({4})))

    expected = rows[rows["time_ns"] >= middle_ns]
    assert list(chosen["outcome"]) == list(expected["outcome"])
    assert len(none.tables.resolutions) == 0
    assert none.summary.suppression_ratio is None


def test_stated_gateways_are_believed(told):
    """An address named with --gateway is the VTEP's own, whatever else is known."""
    folder, _, _ = told
    vm_only = [folder / "vm1-ens19.pcap", folder / "pve1-ens18.pcap"]

    rows = evpn_pcap.analyze(vm_only, Options(gateways=frozenset({GATEWAY}))).tables.resolutions

    asked = rows[(rows["target_ip"] == GATEWAY) & (rows["kind"] == "resolution")]
    assert set(asked["outcome"]) == {"learned"}
    assert set(asked["answered_by"]) == {"gateway"}


def test_the_truth_is_not_the_program_s(told):
    """The truth that these tests use is the simulator's own bookkeeping, as the file beside the captures says."""
    folder, recording, _ = told

    assert json.loads((folder / "truth.json").read_text())["resolutions"] == json.loads(
        json.dumps(recording.truth["resolutions"])
    )
