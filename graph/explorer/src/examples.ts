// Operations to begin with: one group for each of the things that are one graph here.
export interface Example {
  title: string;
  query: string;
  /** Whose variables need the id of a campaign get one that is running. */
  needsCampaign?: boolean;
}

export interface Group {
  title: string;
  about: string;
  examples: Example[];
}

export const DASHBOARD = `# What was seen, clicked and paid, day by day
query Dashboard {
  campaigns(
    first: 3
    filter: { status: [ACTIVE] }
    orderBy: OLDEST
  ) {
    nodes {
      name
      brand { name }
      metrics {
        impressions
        reach
        clickThroughRate
        spend { amount currency }
        likes
        comments
        engagementRate
        deliveryProgress
      }
      metricSeries(bucket: DAY) {
        start
        metrics {
          impressions
          clicks
          conversions
          engagements
          clickThroughRate
        }
      }
    }
  }
}
`;

/** A running campaign, for the examples that need one. */
export const A_CAMPAIGN = "{ campaigns(first: 1, filter: { status: [ACTIVE] }, orderBy: OLDEST) { nodes { id } } }";

export const GROUPS: Group[] = [
  {
    title: "Campaigns",
    about: "Impressions, what people do about them, and comments in threads.",
    examples: [
      { title: "Dashboard with a chart", query: DASHBOARD },
      {
        title: "Conversations",
        query: `query Conversations {
  campaigns(
    first: 2
    filter: { status: [ACTIVE] }
    orderBy: OLDEST
  ) {
    nodes {
      name
      comments(first: 3) {
        totalCount
        nodes {
          body
          actor { userId }
          replyCount
          replies(first: 2) {
            nodes { body actor { userId } }
          }
        }
      }
      topEngagers(first: 3) {
        actor { userId }
        engagements
        lastActiveAt
      }
    }
  }
}
`,
      },
      {
        title: "Watch a campaign's numbers (live chart)",
        needsCampaign: true,
        query: `# Runs until it is stopped. Share the campaign
# in another window to see the lines move.
subscription Numbers($campaignId: ID!) {
  campaignMetrics(
    campaignId: $campaignId
    intervalMs: 500
  ) {
    at
    campaign { name }
    metrics {
      shares
      likes
      comments
      engagements
      engagementRate
    }
  }
}
`,
      },
      {
        title: "Watch engagements (live)",
        needsCampaign: true,
        query: `subscription Engagements($campaignId: ID!) {
  engagements(campaignIds: [$campaignId]) {
    cursor
    kind
    type
    engagement { occurredAt actor { userId } }
  }
}
`,
      },
      {
        title: "Share a campaign",
        needsCampaign: true,
        query: `mutation Share($campaignId: ID!) {
  share(input: {
    campaignId: $campaignId
    actor: { userId: "explorer" }
  }) {
    created
    userErrors { field message }
  }
}
`,
      },
    ],
  },
  {
    title: "Mailings",
    about: "E-mail that is really sent, and what became of each mail.",
    examples: [
      {
        title: "Mailings and their rates",
        query: `query Mailings {
  mailings(first: 5) {
    nodes {
      name
      status
      campaign { name }
      metrics {
        totalRecipients
        emailsSent
        emailsOpened
        emailsClicked
        openRate
        clickRate
        bounceRate
        unsubscribeRate
      }
      recipientsByStatus { status count }
    }
  }
}
`,
      },
    ],
  },
  {
    title: "Channels and events",
    about: "What ad platforms report, on which channel.",
    examples: [
      {
        title: "The best channels",
        query: `query Channels {
  topChannels(first: 5) {
    channel { name platform }
    metrics {
      impressions
      clicks
      conversions
      uniqueUsers
      clickThroughRate
      conversionRatePerClick
      revenue { amount currency }
    }
  }
}
`,
      },
      {
        title: "Reported by day (chart)",
        query: `query Reported {
  campaigns(
    first: 3
    filter: { status: [ACTIVE] }
    orderBy: OLDEST
  ) {
    nodes {
      name
      eventSeries(bucket: DAY) {
        start
        metrics {
          impressions
          clicks
          conversions
          revenue { amount currency }
        }
      }
    }
  }
}
`,
      },
    ],
  },
  {
    title: "Spaces and assets",
    about: "Creatives, kept once however often they are used.",
    examples: [
      {
        title: "Spaces with what is in them",
        query: `query Spaces {
  spaces(first: 5) {
    nodes {
      name
      platform
      tags
      campaign { name }
      assets(first: 5) {
        totalCount
        nodes {
          name
          type
          headlineText
          sizeBytes
          reusedCount
          thumbnailUrl
        }
      }
    }
  }
}
`,
      },
    ],
  },
  {
    title: "Content and followers",
    about: "One piece of content on many platforms, and who comes back to it.",
    examples: [
      {
        title: "What works best, and with whom",
        query: `query Content {
  contentItems(orderBy: MOST_INTERACTIONS, first: 3) {
    nodes {
      title
      summary {
        totalInteractions
        totalComments
        bestPlatform
      }
      platforms {
        platform
        comments
        likes
        shares
        uniqueFollowers
      }
    }
  }
  followers(first: 5) {
    nodes {
      rank
      username
      platform
      score { value tier comments shares linkClicks }
    }
  }
}
`,
      },
      {
        title: "Do they come back?",
        query: `query Cohorts {
  followerCohorts(
    weeks: 4
    asOf: "2026-03-29T00:00:00+01:00"
  ) {
    week
    platform
    size
    active30d
    superFans
    retention
  }
}
`,
      },
    ],
  },
];
