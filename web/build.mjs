// Builds the dashboard's page into pileus/dashboard/static/: one script, one style sheet, two base maps, licences.
import { build } from "esbuild";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";

const out = new URL("../pileus/dashboard/static/", import.meta.url);
const here = (path) => new URL(path, import.meta.url);

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
await build({
  entryPoints: [here("src/app.js").pathname],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none",
  outfile: new URL("app.js", out).pathname,
});
await build({
  entryPoints: [here("src/app.css").pathname],
  bundle: true,
  minify: true,
  outfile: new URL("app.css", out).pathname,
});
await copyFile(here("src/index.html"), new URL("index.html", out));
await copyFile(here("src/icon.svg"), new URL("icon.svg", out));
for (const detail of ["110m", "50m"]) {
  await copyFile(here(`node_modules/world-atlas/countries-${detail}.json`), new URL(`world-${detail}.json`, out));
}
const packages = ["d3-geo", "d3-array", "internmap", "topojson-client", "world-atlas"];
const licences = await Promise.all(
  packages.map(async (name) => {
    const { version } = JSON.parse(await readFile(here(`node_modules/${name}/package.json`), "utf8"));
    const text = await readFile(here(`node_modules/${name}/LICENSE`), "utf8");
    return `${name} ${version}\n\n${text.trim()}\n`;
  }),
);
const data = "The base maps are Natural Earth's (public domain), as packaged in world-atlas.\n";
await writeFile(new URL("LICENCES.txt", out), [data, ...licences].join(`\n${"-".repeat(80)}\n\n`));
