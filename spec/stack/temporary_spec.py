"""The embedded AWS unpacks the code of each Lambda that runs, in the project's folder, and leaves nothing."""

from pathlib import Path

from data.sample import make
from spec.support.gated import GatedSite
from spec.support.stack import project_of


def test_no_temporary_file_is_left_even_after_kill_9(tmp_path: Path) -> None:
    make.make(tmp_path / "site")
    site = GatedSite(tmp_path / "site")
    shared = tmp_path / "shared"
    for folder in (shared, tmp_path / "project"):
        folder.mkdir()
    settings = {"TMPDIR": str(shared)}
    with project_of(tmp_path / "project") as project:
        project.document("data/zones/sample.geojson", make.zones())
        project.document("data/providers/site.json", site.provider())
        path = "/viirs/{{pointInTime}}/vcmcfg/"
        project.collection("left", "201501", "201501", zones="data/zones/sample.geojson", provider_path=path)
        project.pileus("up", "--detach", "--workers", "1", env=settings)
        project.pileus("populate")
        project.pileus("backfill", "left", "--wait")
        ours = project.home.temporary
        assert [one for one in ours.iterdir() if "GenerateCollections" in one.name], "where is its code?"
        for pid in (project.running.supervisor, project.running.ministack, *project.running.workers):
            project.kill(pid)

        project.pileus("up", "--detach", "--workers", "1", env=settings)
        assert not [one for one in ours.iterdir() if "GenerateCollections" in one.name]
        project.pileus("down")
    site.close()
    assert list(ours.iterdir()) == []
    assert [one.name for one in shared.iterdir() if "ministack" in one.name] == []
