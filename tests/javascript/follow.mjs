// Follows engagements with an official client until it has so many, and prints them as one line of JSON.
// node follow.mjs ws|sse|sse-single ADDRESS TOKEN CAMPAIGN CURSOR NUMBER
import { createClient as createSse } from 'graphql-sse';
import { createClient as createWs } from 'graphql-ws';
import WebSocket from 'ws';

const [mode, address, token, campaign, cursor, number] = process.argv.slice(2);
const authorization = `Bearer ${token}`;
const query = `subscription ($ids: [ID!]!, $after: String) {
  engagements(campaignIds: $ids, after: $after) { cursor kind type engagementId } }`;

const client =
  mode === 'ws'
    ? createWs({ url: `${address.replace('http', 'ws')}/graphql`, webSocketImpl: WebSocket, connectionParams: { authorization } })
    : createSse({ url: `${address}/graphql`, singleConnection: mode === 'sse-single', headers: { authorization } });

const answers = client.iterate({ query: '{ viewer { subject } }' });
const { value } = await answers.next();
const events = [];
for await (const result of client.iterate({ query, variables: { ids: [campaign], after: cursor } })) {
  if (result.errors) throw new Error(JSON.stringify(result.errors));
  events.push(result.data.engagements);
  if (events.length === Number(number)) break;
}
console.log(JSON.stringify({ subject: value.data.viewer.subject, events }));
client.dispose();
