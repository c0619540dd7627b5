// Fastify with Mercurius: graphql-jit, and loaders that make one statement per level. It speaks Groundswell's schema.
//
//     PORT=... PEER_URL=postgres://... STATEMENTS=folder node mercurius.mjs

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import Fastify from 'fastify'
import mercurius from 'mercurius'
import pg from 'pg'

const schema = `
  type Query { campaigns(first: Int = 20): CampaignConnection! }
  type Mutation { updateCampaign(input: UpdateCampaignInput!): CampaignPayload! }
  input UpdateCampaignInput { id: ID! name: String }
  type CampaignPayload { campaign: Campaign }
  type CampaignConnection { nodes: [Campaign!]! }
  type ImpressionConnection { nodes: [Impression!]! }
  type CommentConnection { nodes: [Comment!]! }
  type Campaign {
    id: ID! key: String name: String! status: CampaignStatus! startsOn: String endsOn: String currency: String!
    createdAt: String! metrics: Metrics!
    impressions(first: Int = 20): ImpressionConnection!
    comments(first: Int = 20): CommentConnection!
  }
  enum CampaignStatus { DRAFT PLANNED SCHEDULED ACTIVE PAUSED COMPLETED FAILED CANCELLED }
  type Impression { id: ID! occurredAt: String! deviceType: String clicked: Boolean! converted: Boolean! }
  type Comment { id: ID! body: String occurredAt: String! replies(first: Int = 20): CommentConnection! }
  type Metrics {
    impressions: Float! clicks: Float! clickThroughRate: Float likes: Float! shares: Float! comments: Float!
  }`

// Dates and times go out as PostgreSQL writes them, but for the spelling: no Date objects, no lost microseconds.
pg.types.setTypeParser(pg.types.builtins.DATE, (text) => text)
pg.types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text) => `${text.slice(0, 10)}T${text.slice(11, -3)}Z`)

const pool = new pg.Pool({
  connectionString: process.env.PEER_URL,
  max: 10,
  idleTimeoutMillis: 0,
  options: '-c TimeZone=UTC -c plan_cache_mode=force_generic_plan'
})

/** Answers a function that runs a statement of the folder, prepared once per connection. */
function statement(name) {
  const text = readFileSync(join(process.env.STATEMENTS, `${name}.sql`), 'utf8')
  return async (...values) => (await pool.query({ name, text, values })).rows
}

const campaigns = statement('campaigns')
const metrics = statement('metrics')
const rename = statement('rename')

/** The field `id` of a type: base64 of Type:key. */
const globalId = (type) => (row) => btoa(`${type}:${row.id}`)

/** A loader of pages: one statement for all parents that ask for pages of one size. */
function pages(name) {
  const run = statement(name)
  async function loader(queries) {
    const bySize = Map.groupBy(queries, ({ params }) => params.first)
    await Promise.all(Array.from(bySize, ([first, same]) => fill(run, first, same)))
    return queries.map((query) => query.page)
  }
  // Without its cache of one request a loader need not write its keys as text, which is slow, and nothing is asked twice.
  return { loader, opts: { cache: false } }
}

async function fill(run, first, queries) {
  const found = new Map()
  for (const query of queries) {
    query.page = { nodes: [] }
    found.set(query.obj.id, query.page.nodes)
  }
  for (const row of await run(Array.from(found.keys()), first)) found.get(row.parent).push(row)
}

const resolvers = {
  Query: { campaigns: async (_, { first }) => ({ nodes: await campaigns(first) }) },
  Mutation: {
    async updateCampaign(_, { input }) {
      const [campaign] = await rename(atob(input.id).split(':')[1], input.name)
      return { campaign }
    }
  },
  Campaign: { id: globalId('Campaign') },
  Impression: { id: globalId('Impression') },
  Comment: { id: globalId('Comment') }
}

const loaders = {
  Campaign: {
    metrics: {
      async loader(queries) {
        const rows = await metrics(queries.map(({ obj }) => obj.id))
        const found = new Map(rows.map((row) => [row.parent, row]))
        return queries.map(({ obj }) => found.get(obj.id))
      },
      opts: { cache: false }
    },
    impressions: pages('impressions'),
    comments: pages('comments')
  },
  Comment: { replies: pages('replies') }
}

const app = Fastify({ logger: false })
await app.register(mercurius, { schema, resolvers, loaders, jit: 1, graphiql: false })
console.log(await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' }))
