// What the audits of GraphQL over HTTP say of a server, as JSON: node audit.mjs ADDRESS TOKEN
import { auditServer } from "graphql-http";

const [address, token] = process.argv.slice(2);
const results = await auditServer({
  url: `${address}/graphql`,
  fetchFn: (url, options = {}) =>
    fetch(url, { ...options, headers: { ...options.headers, authorization: `Bearer ${token}` } }),
});
const told = results.map(({ id, name, status, reason }) => ({ id, name, status, reason }));
process.stdout.write(JSON.stringify(told));
