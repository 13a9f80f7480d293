"""Discovery: the regexes read names; files that do not fit are reported."""

import csv
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.discover import WINDOW, discover
from pileus.documents import Collection, File, Grouping, Provider
from pileus.edges.providers import connect
from pileus.edges.providers.address import base_of
from pileus.edges.providers.index_page import parse_index_page
from pileus.edges.providers.memory import MemoryEdge
from pileus.edges.providers.url_list import parse_url_list
from pileus.edges.secrets import Secrets
from pileus.errors import DocumentError, NotAListing
from pileus.group import group
from pileus.models import Granule, Listed, Problem
from spec.support.listed import listed

VIIRS = (
    r"SVDNB_npp_(?P<start>\d{8})-(?P<end>\d{8})_(?P<tile>\d{2}[NS]\d{3}[EW])_(?P<flavour>vcmcfg|vcmslcfg)"
    r"_v10_c(?P<created>\d{12,13})\.tgz"
)
TILES = ("75N180W", "75N060W", "75N060E", "00N180W", "00N060W", "00N060E")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def listings() -> Path:
    import os

    folder = Path(os.environ.get("PILEUS_SHARED", ROOT.parent / "shared")) / "data/listings"
    if not folder.is_dir():
        pytest.skip(f"the shared test data is not at {folder}")
    return folder


def found(names: list[str], *regexes: str) -> list[Granule | Problem]:
    edge = MemoryEdge(dict.fromkeys(names, b"x"))
    return list(discover(edge, "", [File(regex=regex, bucket="protected") for regex in regexes]))


def test_named_groups_are_the_parts_of_a_granule() -> None:
    (granule,) = found(["t_75N060E_c2015.tgz"], r"t_(?P<tile>\w{7})_c(?P<created>\d+)\.tgz")
    assert isinstance(granule, Granule)
    assert granule.parts == {"tile": "75N060E", "created": "2015"}
    assert granule.bucket == "protected"


def test_a_regex_must_match_the_whole_name_and_the_first_that_does_wins() -> None:
    names = ["a.tgz", "a.tgz.bak", "a.xml"]
    kinds = [(g.file.name, g.kind) for g in found(names, r"a\.tgz", r"a\..*") if isinstance(g, Granule)]
    assert kinds == [("a.tgz", 0), ("a.tgz.bak", 1), ("a.xml", 1)]


def test_strangers_are_problems() -> None:
    (problem,) = found(["README"], r".*\.tgz")
    assert problem == Problem("stranger", "README", "no regex of the collection matches this name")


@given(order=st.permutations(["a.tgz", "a.tgz.md5", "b.tgz", "b.tgz.sha256", "c.tgz", "d.tgz.md5"]))
def test_checksum_files_belong_to_their_file_in_any_order(order: list[str]) -> None:
    entries = found(order, r"(?P<all>.*\.tgz)")
    assert {g.file.name: g.file.sidecar for g in entries if isinstance(g, Granule)} == {
        "a.tgz": "memory:a.tgz.md5",
        "b.tgz": "memory:b.tgz.sha256",
        "c.tgz": None,
    }
    assert [p.name for p in entries if isinstance(p, Problem)] == ["d.tgz.md5"]


def test_checksum_files_are_found_far_from_their_file_in_a_long_listing() -> None:
    count = WINDOW - 10
    names = [f"{n:06}.tgz" for n in range(count)] + [f"{n:06}.tgz.md5" for n in range(count)]
    entries = found(names * 1, r"(?P<all>.*\.tgz)")
    assert len(entries) == count
    assert all(isinstance(g, Granule) and g.file.sidecar == f"memory:{g.file.name}.md5" for g in entries)


def page(text: str, url: str = "http://x.org/v10/201501/") -> list[Listed]:
    return list(parse_index_page(BytesIO(text.encode()), url))


def test_a_link_may_be_relative_absolute_or_with_the_host() -> None:
    links = ["a.tgz", "./b.tgz", "/v10/201501/c.tgz", "http://x.org/v10/201501/d%20e.tgz"]
    text = "<title>Index of /v10</title>" + "".join(f'<a href="{link}">x</a>' for link in links)
    assert [file.name for file in page(text)] == ["a.tgz", "b.tgz", "c.tgz", "d e.tgz"]


def test_what_leads_elsewhere_is_not_an_entry() -> None:
    links = ["?C=N;O=D", "../", "/", "sub/", "http://y.org/a.tgz", "/v10/x.tgz", "#top", "mailto:me@x.org", "a.tgz?x=1"]
    text = "<title>Index of /v10</title>" + "".join(f'<a href="{link}">x</a>' for link in links)
    assert page(text) == []


@pytest.mark.parametrize(
    ("line", "size", "modified"),
    [
        ('<a href="a.tgz">a.tgz</a>  2022-01-05 04:18  523M', None, "2022-01-05T04:18"),
        ('<a href="a.tgz">a.tgz</a>  2022-01-05 04:18  345 ', 345, "2022-01-05T04:18"),
        ('<a href="a.tgz">a.t..&gt;</a>   05-Jan-2022 04:18     268804', 268804, "2022-01-05T04:18"),
        ('<a href="a.tgz">a.tgz</a></td><td>2022-Jan-05 04:18:07</td><td>0.3M</td>', None, "2022-01-05T04:18:07"),
        ('<a href="a.tgz">a.tgz</a>', None, None),
        ("<A HREF=a.tgz>a 2020-01-01 00:00 5</A> 2022-01-05 04:18 -", None, "2022-01-05T04:18"),
    ],
)
def test_sizes_are_taken_where_they_are_exact_and_dates_where_shown(
    line: str, size: int | None, modified: str | None
) -> None:
    assert page(f"<h1>Index of /</h1>{line}") == [Listed("a.tgz", "http://x.org/v10/201501/a.tgz", size, modified)]


@pytest.mark.parametrize(
    "text",
    [
        "<html><title>Sign in</title><form></form></html>",
        "<a href='about.html'>About</a>",
        "",
        "plain words",
        "<a href=",
    ],
)
def test_a_page_that_is_no_index_is_told(text: str) -> None:
    with pytest.raises(NotAListing, match=r"http://x\.org/v10/201501/: this page is not a directory index") as caught:
        page(text)
    assert caught.value.exit_code == 2


def test_an_empty_index_is_an_index() -> None:
    assert page("<html><head><title>Index of /v10/201501</title></head><h1>Index of</h1></html>") == []


@given(noise=st.text(max_size=200), names=st.lists(st.from_regex(r"[a-z]{1,8}\.tgz", fullmatch=True), max_size=5))
def test_any_noise_between_entries_loses_none(noise: str, names: list[str]) -> None:
    noise = noise.replace("<", "")
    text = "<title>Index of /</title>" + "".join(f'{noise}<a href="{name}">{name}</a>' for name in dict.fromkeys(names))
    assert [file.name for file in page(text)] == list(dict.fromkeys(names))


@pytest.mark.parametrize("line", ["<html>", "two words", "https://x.org/", "sm\xf6rg\xe5s"])
def test_a_list_with_a_line_that_is_no_url_is_told(line: str) -> None:
    with pytest.raises(NotAListing, match="line 2"):
        list(parse_url_list(f"http://x.org/a.tgz\n{line}".encode("latin-1"), "http://x.org/urls.txt"))


@pytest.mark.parametrize(
    ("host", "path", "url"),
    [
        ("x.org", "v10/201501", "https://x.org/v10/201501/"),
        ("x.org", "/v10/", "https://x.org/v10/"),
        ("x.org:8443", "v10", "https://x.org:8443/v10/"),
        ("https://x.org/old/place/", "v10", "https://x.org/old/place/v10/"),
        ("https://x.org/old/place", "/v10", "https://x.org/v10/"),
        ("https://x.org", "", "https://x.org/"),
    ],
)
def test_host_and_path_are_joined(host: str, path: str, url: str) -> None:
    base = base_of(Provider(id="x", protocol="https", host=host))
    assert base.url(base.folder(path)) == url


@pytest.mark.parametrize("host", ["https://me:pw@x.org", "x y.org", "https://", "x.org:port"])
def test_a_host_that_is_none_is_a_document_error(host: str) -> None:
    with pytest.raises(DocumentError, match="provider x: host") as caught:
        connect(Provider(id="x", protocol="https", host=host), secrets=Secrets(environ={}))
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("flavour", ["vcmcfg", "vcmslcfg"])
def test_the_real_apache_pages_list_six_tiles(flavour: str, listings: Path) -> None:
    text = (listings / f"apache_index_{flavour}.html").read_text()
    files = page(text, f"https://x.org/nighttime_light/monthly/v10/1900/190009/{flavour}/")
    assert len(files) == 6
    assert {file.modified for file in files} <= {"2022-01-05T04:18", "2022-01-05T04:19"}


@pytest.mark.parametrize(("flavour", "months"), [("vcmcfg", 99), ("vcmslcfg", 78)])
def test_every_real_month_groups_to_exactly_six_tiles(flavour: str, months: int, listings: Path) -> None:
    rows = list(csv.DictReader((listings / "archives.csv").open()))
    names = [row["archive"] for row in rows if row["flavour"] == flavour]
    grouping = Grouping(by=("start",), each="tile", expect=TILES, newest="created")
    grouped = group(found(names, VIIRS), grouping)
    assert len(grouped.groups) == months
    assert all([g.parts["tile"] for g in whole.granules] == list(TILES) for whole in grouped.groups)
    assert all(whole.complete for whole in grouped.groups)
    assert grouped.problems == ()


def test_a_list_of_real_urls_is_a_listing(listings: Path, nginx: Any) -> None:
    site = nginx(listings)
    with closing(connect(Provider(id="x", protocol="http", host=site.host), secrets=Secrets(environ={}))) as edge:
        assert len(list(edge.list("urls_vcmcfg.txt"))) == 99 * 6


def test_a_listing_of_a_hundred_thousand_files_needs_less_than_192_mib(nginx: Any, tmp_path: Path) -> None:
    count, megabytes = listed(nginx, tmp_path, 100_000)
    assert count == 100_000
    assert megabytes < 192


def test_a_checksum_file_of_a_kind_of_its_own_is_a_granule_and_verifies_the_file_that_it_is_named_after() -> None:
    files = [File(regex="(.*)[.]hdf"), File(regex="(.*)[.]hdf[.]md5", checksumFor="(.*)[.]hdf")]
    edge = MemoryEdge(dict.fromkeys(["a.hdf", "a.hdf.md5", "b.hdf.md5"], b"x"))
    granules = [one for one in discover(edge, "", files) if isinstance(one, Granule)]
    assert [(one.file.name, one.kind, one.file.sidecar) for one in granules] == [
        ("a.hdf", 0, "memory:a.hdf.md5"),
        ("a.hdf.md5", 1, None),
        ("b.hdf.md5", 1, None),
    ]


def test_files_of_cumulus_without_named_groups_are_one_group() -> None:
    name = "MOD09GQ.A2017025.{}.006.2017034065104"
    begin = r"^MOD09GQ\.A[\d]{7}\.[\S]{6}\.006\.[\d]{13}"
    regexes = [rf"{begin}\.hdf$", rf"{begin}\.hdf\.met$"]
    names = [name.format(tile) + ending for tile in ("h21v00", "h22v00") for ending in (".hdf", ".hdf.met")]
    (whole,) = group(found(names, *regexes), Grouping()).groups
    assert (whole.key, [granule.file.name for granule in whole.granules]) == ("all", sorted(names))


def test_with_ignore_files_config_all_files_belong_to_the_collection() -> None:
    collection = Collection(
        name="x", version="1", files=(File(regex="a.nc", bucket="protected"),), ignoreFilesConfigForDiscovery=True
    )
    edge = MemoryEdge(dict.fromkeys(["a.nc", "notes.txt"], b"x"))
    entries = list(discover(edge, "", collection.discovered))
    assert [(one.file.name, one.bucket) for one in entries if isinstance(one, Granule)] == [
        ("a.nc", "protected"),
        ("notes.txt", "internal"),
    ]
