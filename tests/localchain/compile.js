// Compiles one job with the solc-js it names. Job on stdin:
//   {solc, settings, entries: [source name], roots: [[source prefix, folder]]}
// Prints {contracts: {Name: {abi, bytecode, linkReferences}}}.
"use strict";
const fs = require("fs");
const path = require("path");

const job = JSON.parse(fs.readFileSync(0, "utf8"));
const solc = require(job.solc);

function read(name) {
  for (const [prefix, folder] of job.roots) {
    const file = path.join(folder, name.slice(prefix.length));
    if (name.startsWith(prefix) && fs.existsSync(file)) return { contents: fs.readFileSync(file, "utf8") };
  }
  return { error: `no source for ${name}` };
}

const sources = {};
for (const name of job.entries) {
  const found = read(name);
  if (found.error) throw new Error(found.error);
  sources[name] = { content: found.contents };
}
const outputSelection = { "*": { "*": ["abi", "evm.bytecode.object", "evm.bytecode.linkReferences"] } };
const input = { language: "Solidity", sources, settings: { ...job.settings, outputSelection } };
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: read }));
const errors = (output.errors || []).filter((e) => e.severity === "error");
if (errors.length > 0) {
  console.error(errors.map((e) => e.formattedMessage).join("\n"));
  process.exit(1);
}
const contracts = {};
for (const file of Object.values(output.contracts)) {
  for (const [name, made] of Object.entries(file)) {
    if (made.abi.length === 0 && !made.evm.bytecode.object) continue;
    const { object, linkReferences } = made.evm.bytecode;
    const known = contracts[name];
    if (known && known.bytecode.length > object.length + 2) continue;
    contracts[name] = { abi: made.abi, bytecode: "0x" + object, linkReferences };
  }
}
process.stdout.write(JSON.stringify({ contracts }));
