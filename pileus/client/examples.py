"""One example of each document that the API asks for or answers with: what its OpenAPI document shows."""

from typing import Any

NEW_BACKFILL: dict[str, Any] = {
    "collection": "viirs_template",
    "first": "2015-01",
    "last": "2015-12",
    "id": "viirs-2015",
    "select": "needed",
}
BACKFILL: dict[str, Any] = {
    "id": "viirs-2015",
    "collection": "viirs_template",
    "version": "001",
    "first": "2015-01",
    "last": "2015-12",
    "unit": "month",
    "state": "running",
    "run": 1,
    "started": "2026-11-27T00:34:25.039+00:00",
    "started_by": "anna",
    "select": "needed",
    "order": "oldest",
    "counts": {"succeeded": 7, "running": 2, "failed": 1, "planned": 2},
    "bytes": {"done": 21_474_836_480, "wanted": 36_507_222_016},
    "progress": {"ended": 8, "total": 12, "running": ["2015-08", "2015-09"], "per_minute": 0.5, "seconds_left": 480},
}
TIMING: dict[str, Any] = {
    "id": "viirs-2015",
    "partitions": 12,
    "unknown": 0,
    "began": 1795739665.039,
    "seconds": 1210.5,
    "idle": 0,
    "worked": 2300.2,
    "other": 30.1,
    "steps": [
        {
            "name": "download",
            "about": "downloading",
            "partitions": 12,
            "seconds": 1730.4,
            "median": 140.2,
            "p95": 210.9,
            "most": 210.9,
            "share": 0.7523,
            "bytes": 36_507_222_016,
        }
    ],
    "slowest": [
        {
            "period": "2015-03",
            "group": "20150301",
            "state": "succeeded",
            "began": 1795739701.5,
            "at": 36.461,
            "seconds": 260.4,
            "steps": {"download": {"start": 0.2, "seconds": 210.9, "span": 210.9, "bytes": 3_042_268_501}},
        }
    ],
    "moments": {"seconds": 20.175, "steps": {"download": [0.4, 2, 1.8]}},
}
PARTITION: dict[str, Any] = {
    "key": "viirs_template/001/2015-03/20150301",
    "period": "2015-03",
    "group": "20150301",
    "state": "failed",
    "why": "Corrupt: SVDNB_npp_20150301-20150331_75N060E.tgz: its size is 12,345 bytes, 23,456 were announced",
    "size": 3_042_268_501,
    "downloaded": 1_022_361_600,
}
NEW_RUN: dict[str, Any] = {
    "process": "zonal-statistics",
    "id": "my-fields",
    "inputs": {
        "collection": "viirs_template",
        "periods": ["2015-03"],
        "bands": ["avg_rade9h"],
        "stats": ["mean", "sum"],
        "zones": {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "id": "field",
                    "properties": {"name": "My field"},
                    "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]]},
                }
            ],
        },
    },
}
RUN: dict[str, Any] = {
    "key": "request:zonal-statistics/my-fields",
    "kind": "request",
    "state": "succeeded",
    "run": "request:zonal-statistics/my-fields/1",
    "number": 1,
    "attempt": 1,
    "reason": "",
    "failure": None,
    "created": "2026-11-27T01:00:00.000+00:00",
    "started": "2026-11-27T01:00:01.000+00:00",
    "updated": "2026-11-27T01:00:09.000+00:00",
    "ended": "2026-11-27T01:00:09.000+00:00",
    "seconds": 8.0,
    "downloaded": 3_042_268_501,
    "input": "s3://pileus-internal/runs/zonal-statistics/my-fields/input.json",
    "output": "s3://pileus-internal/runs/zonal-statistics/my-fields/result.json",
}
GRANULE: dict[str, Any] = {
    "collection": "viirs_template",
    "version": "001",
    "id": "SVDNB_npp_20150301-20150331_75N060E_vcmcfg_v10_c201505191916",
    "state": "succeeded",
    "why": "",
    "subject": "viirs_template/001/2015-03/20150301",
    "files": [
        {
            "name": "SVDNB_npp_20150301-20150331_75N060E_vcmcfg_v10_c201505191916.tgz",
            "url": "https://archive.example.org/2015/SVDNB_npp_20150301-20150331_75N060E_vcmcfg_v10_c201505191916.tgz",
            "size": 520_193_004,
        }
    ],
    "updated": "2026-11-27T01:00:09.000+00:00",
}
GRANULE_WORK: dict[str, Any] = {
    "id": "again-march",
    "wanted": {"action": "reingest", "collection": "viirs_template", "state": "failed"},
}
PROGRESS: dict[str, Any] = {
    "status": "executing",
    "id": "mean-2015",
    "rid": "mean-2015",
    "sid": "mean-2015",
    "cid": "ann",
    "state": "running",
    "outputs": ["r3"],
    "done": 1,
    "operations": 3,
    "message": "",
}
CAPABILITY: dict[str, Any] = {
    "pattern": "xop*:mean",
    "title": "Mean",
    "description": "The mean over an axis.",
    "parameters": {"type": "object", "properties": {"axis": {"type": "string"}}, "required": ["axis"]},
    "inputs": [1, 1],
}
