// PostGraphile 5 over the views of the schema bench: the amber preset on Grafserv's Node adaptor, as in production.
//
//     PORT=... PEER_URL=postgres://... node postgraphile.mjs

import { createServer } from 'node:http'
import { grafserv } from 'postgraphile/grafserv/node'
import { makePgService } from 'postgraphile/adaptors/pg'
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber'
import { postgraphile } from 'postgraphile'

const instance = postgraphile({
  extends: [PostGraphileAmberPreset],
  pgServices: [
    makePgService({
      connectionString: process.env.PEER_URL,
      schemas: ['bench'],
      poolConfig: { max: 10 },
      pubsub: false
    })
  ],
  grafserv: {
    graphiql: false,
    watch: false,
    websockets: false,
    outputDataAsString: true // its fast way to write an answer
  },
  schema: { defaultNodeIdCodec: 'pipeString' }, // its cheapest global ids
  grafast: { explain: false }
})

const server = createServer()
server.on('error', (error) => {
  console.error(error)
  process.exit(1)
})
await instance.createServ(grafserv).addTo(server)
await instance.getSchema()
server.listen(Number(process.env.PORT), '127.0.0.1', () => console.log(`http://127.0.0.1:${process.env.PORT}`))
