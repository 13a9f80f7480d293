"""Documents as a stack of Cumulus has them, written from its schemas: with every field that these have."""

import json
from pathlib import Path
from typing import Any

Document = dict[str, Any]
MADE, CHANGED = 1717200000000, 1717286400123
CMR = "cmrMetadata.Granule"


def kind(bucket: str, begin: str, ending: str, sample: str, **more: Any) -> Document:
    return {"bucket": bucket, "regex": f"{begin}{ending}$", "sampleFileName": sample, **more}


def modis(name: str) -> Document:
    """A collection with all that the schema has."""
    begin = rf"^{name}\.A[\d]{{7}}\.[\S]{{6}}\.006\.[\d]{{13}}"
    sample = f"{name}.A2017025.h21v00.006.2017034065104"
    return {
        "name": name,
        "version": "006",
        "dataType": name,
        "process": "modis",
        "url_path": f"{{{CMR}.Collection.ShortName}}___006/{{substring(file.fileName, 0, 3)}}",
        "duplicateHandling": "replace",
        "granuleId": f"{begin}$",
        "granuleIdExtraction": rf"({name}\..*)(\.hdf|\.cmr|_ndvi\.jpg)",
        "reportToEms": False,
        "sampleFileName": f"{sample}.hdf",
        "ignoreFilesConfigForDiscovery": False,
        "files": [
            kind(
                "protected",
                begin,
                r"\.hdf",
                f"{sample}.hdf",
                type="data",
                url_path=f"{{extractYear({CMR}.Temporal.RangeDateTime.BeginningDateTime)}}/{{extractPath(file.source)}}",
                lzards={"backup": True},
                reportToEms=True,
            ),
            kind("private", begin, r"\.hdf\.met", f"{sample}.hdf.met", type="metadata"),
            kind("private", begin, r"\.hdf\.md5", f"{sample}.hdf.md5", checksumFor=rf"{begin}\.hdf$"),
            kind("protected-2", begin, r"\.cmr\.xml", f"{sample}.cmr.xml", type="metadata"),
            kind("public", begin, r"_ndvi\.jpg", f"{sample}_ndvi.jpg", type="browse", reportToEms=False),
        ],
        "createdAt": MADE,
        "updatedAt": CHANGED,
        "meta": {
            "s3MultipartChunksizeMb": 16,
            "allFilesPresent": True,
            "granuleRecoveryWorkflow": "RecoverGranules",
            "checksum": ["ALL"],
            "extensions": {"h5": ["application/x-hdf5", "HDF5"]},
        },
        "tags": ["modis", "surface reflectance"],
    }


def pixc() -> Document:
    """A collection whose names have slashes, as those of some archives do, and with the fewest fields."""
    return {
        "name": "L2_HR_PIXC/op",
        "version": "Operational/Near-Real-Time",
        "granuleId": "^.*$",
        "granuleIdExtraction": r"^(.*)(\.h5|\.cmr)",
        "sampleFileName": "L2_HR_PIXC_product_0001-of-4154.h5",
        "files": [
            {"bucket": "private", "regex": r"^.*\.h5$", "sampleFileName": "L2_HR_PIXC_product_0001-of-4154.h5"},
        ],
        "cmrProvider": "ARCHIVE",
        "metricsProvider": "ARCHIVE",
        "createdAt": MADE,
        "updatedAt": MADE,
    }


def looking_behind() -> Document:
    """A collection whose expressions look behind, which a linear engine has not."""
    return {
        "name": "ATL08",
        "version": "006",
        "url_path": "ATL08/006/{dateFormat(cmrMetadata.gmd:has.gmd:extent.gml:beginPosition, YYYY/MM/DD)}/",
        "granuleId": "^ATL08_.*_006_01",
        "granuleIdExtraction": r"^(ATL08.*(?<!BRW))(\.h5|\.h5\.dmrpp|_BRW\.h5|_BRW.*\.jpg)$",
        "sampleFileName": "ATL08_20200430165335_05370703_006_01.h5",
        "files": [
            kind("protected", "", r".*(?<!BRW)\.h5", "ATL08_20190901004029_09920401_006_01.h5", type="SCIENCE"),
            kind("private", "", r".*_BRW\.h5", "ATL08_20190901004029_09920401_006_01_BRW.h5", type="BROWSE"),
        ],
        "createdAt": MADE,
        "updatedAt": CHANGED,
    }


COLLECTIONS = [modis("MOD09GQ"), modis("MOD14A1"), pixc(), looking_behind()]
_TIMES = {"createdAt": MADE, "updatedAt": CHANGED}
PROVIDERS: list[Document] = [
    {"id": "s3_provider", "protocol": "s3", "host": "archive-internal", "globalConnectionLimit": 1000, **_TIMES},
    {
        "id": "https_provider",
        "protocol": "https",
        "host": "archive.example.org",
        "port": 8443,
        "globalConnectionLimit": 10,
        "maxDownloadTime": 900,
        "allowedRedirects": ["login.example.org", "mirror.example.org:8443"],
        "username": "reader",
        "password": "s3same",
        "encrypted": False,
        "certificateUri": "s3://archive-internal/certificate.pem",
        **_TIMES,
    },
    {"id": "http_provider", "protocol": "http", "host": "10.0.0.7", "port": 3030, "createdAt": MADE},
    {"id": "ftp_provider", "protocol": "ftp", "host": "10.0.0.8", "username": "AQECAHg", "password": "AQECAHh"}
    | {"encrypted": True, "createdAt": MADE},
    {
        "id": "NASA/JPL/sftp",
        "protocol": "sftp",
        "host": "sftp.example.org",
        "port": 22,
        "username": "reader",
        "privateKey": "sftp-key.pem",
        "cmKeyId": "alias/sftp",
        **_TIMES,
    },
]
_REGION = "us-east-1:123456789012"


def rule(name: str, of: Document, **more: Any) -> Document:
    return {"name": name, "workflow": "IngestGranule", "rule": of, "state": "ENABLED", **_TIMES, **more}


_MOD09 = {"name": "MOD09GQ", "version": "006"}
RULES = [
    rule("once", {"type": "onetime"}, provider="s3_provider", collection=_MOD09, tags=["S3"], payload={"granules": []}),
    rule(
        "nightly",
        {"type": "scheduled", "value": "rate(5 minutes)"},
        state="DISABLED",
        collection=_MOD09,
        meta={"provider_path": "granules/", "spanUnit": 3},
    ),
    rule(
        "from_queue",
        {"type": "sqs", "value": "https://sqs.us-east-1.amazonaws.com/123456789012/new"},
        meta={"retries": 1, "visibilityTimeout": 1800},
        queueUrl="https://sqs.us-east-1.amazonaws.com/123456789012/starts",
        executionNamePrefix="night",
    ),
    rule("from_topic", {"type": "sns", "value": f"arn:aws:sns:{_REGION}:new"}, context={"url_path": "/sst"}),
    rule(
        "from_stream",
        {
            "type": "kinesis",
            "value": f"arn:aws:kinesis:{_REGION}:stream/new",
            "arn": "arn:aws:lambda:us-east-1:123456789012:event-source-mapping:3f6b2c1e",
            "logEventArn": "arn:aws:lambda:us-east-1:123456789012:event-source-mapping:9a1d7e55",
        },
        collection=_MOD09,
        provider="https_provider",
    ),
]
WORKFLOW = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}


def write_documents(folder: Path) -> dict[str, Any]:
    """Write them all below a folder: collections in folders of their own, rules as one list. Return them by kind and
    name.
    """
    for number, one in enumerate(COLLECTIONS):
        _write(folder / f"collections/set-{number}/collection-{number}.json", one)
    for number, one in enumerate(PROVIDERS):
        _write(folder / f"providers/provider-{number}.json", one)
    _write(folder / "rules/all.json", RULES)
    _write(folder / "workflows/IngestGranule.asl.json", WORKFLOW)
    return read_documents(folder)


def read_documents(folder: Path) -> dict[str, Any]:
    """Return all documents below a folder by kind and name."""
    found: dict[str, Any] = {}
    for place in ("collections", "providers", "rules", "workflows"):
        for path in (folder / place).rglob("*.json"):
            value = json.loads(path.read_text())
            for one in value if isinstance(value, list) else [value]:
                found[f"{place}/{one.get('id') or one.get('name') or path.name} {one.get('version', '')}"] = one
    return found


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2))
