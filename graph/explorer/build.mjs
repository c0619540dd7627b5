// Bundles the explorer: node build.mjs SOURCES OUTPUT, from the folder whose node_modules hold the packages.
import { createHash } from "node:crypto";
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { promisify } from "node:util";
import { constants, gzip } from "node:zlib";

const [sources, output] = process.argv.slice(2).map((one) => path.resolve(one));
const fonts = path.resolve("fonts");
const packages = path.resolve("node_modules");
const { build } = createRequire(path.resolve("package.json"))("esbuild");

const common = {
  bundle: true,
  minify: true,
  write: true,
  metafile: true,
  outdir: output,
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  target: ["es2022", "chrome115", "firefox115", "safari16.4"],
  legalComments: "linked",
  nodePaths: [packages],
  define: { "process.env.NODE_ENV": '"production"' },
  loader: { ".ttf": "file", ".woff": "file", ".woff2": "file" },
  logLevel: "warning",
};

// GraphiQL's style has all of Monaco's in it; a second time, it would only be larger. It has its fonts inside, all of them for everybody: as files, a browser loads the few that it needs, and the
// page's policy need not allow fonts that are written into a style.
const fontsAsFiles = {
  name: "fonts-as-files",
  setup({ onLoad }) {
    onLoad({ filter: /monaco-editor\W.*\.css$/ }, () => ({ contents: "", loader: "css" }));
    onLoad({ filter: /\.css$/ }, async ({ path: file }) => {
      const found = [];
      const style = (await readFile(file, "utf8")).replace(/url\("?data:font\/(\w+);base64,([^)"]+)"?\)/g, (_, kind, data) => {
        const name = path.join(fonts, `${createHash("sha256").update(data).digest("hex").slice(0, 12)}.${kind}`);
        found.push(writeFile(name, Buffer.from(data, "base64")));
        return `url("${name}")`;
      });
      await Promise.all(found);
      return { contents: style, loader: "css", resolveDir: path.dirname(file) };
    });
  },
};

const nameOf = (metafile, entry) => {
  const found = Object.entries(metafile.outputs).find(([, made]) => made.entryPoint && made.entryPoint.endsWith(entry));
  return { script: path.basename(found[0]), style: found[1].cssBundle && path.basename(found[1].cssBundle) };
};

await mkdir(fonts, { recursive: true });
const workers = {
  editor: "monaco-editor/esm/vs/editor/editor.worker.js",
  json: "monaco-editor/esm/vs/language/json/json.worker.js",
  graphql: "monaco-graphql/esm/graphql.worker.js",
};
const entryPoints = Object.values(workers).map((one) => path.join(packages, one));
const { metafile: ofWorkers } = await build({ ...common, format: "iife", entryPoints });
const names = Object.fromEntries(Object.entries(workers).map(([label, one]) => [label, nameOf(ofWorkers, one).script]));

const { metafile } = await build({
  ...common,
  format: "esm",
  splitting: true,
  jsx: "automatic",
  entryPoints: [path.join(sources, "src/main.tsx")],
  define: { ...common.define, WORKERS: JSON.stringify(names) },
  plugins: [fontsAsFiles],
});
await copyFile(path.join(sources, "index.html"), path.join(output, "index.html"));

// Packed once, and not for everybody who asks.
const packed = promisify(gzip);
for (const name of await readdir(output)) {
  if (!/\.(js|css|ttf)$/.test(name)) continue;
  const file = path.join(output, name);
  await writeFile(`${file}.gz`, await packed(await readFile(file), { level: constants.Z_BEST_COMPRESSION }));
}
// Written last: where it is, all the rest is.
await writeFile(path.join(output, "manifest.json"), JSON.stringify(nameOf(metafile, "src/main.tsx")));
