// The examples beside the editor. Each opens in a tab of its own.
import { useGraphiQL, useGraphiQLActions, type GraphiQLPlugin } from "@graphiql/react";

import { A_CAMPAIGN, GROUPS, type Example } from "./examples";
import { post } from "./fetcher";

async function variablesOf({ needsCampaign }: Example): Promise<string> {
  if (!needsCampaign) return "";
  const { data } = await post({ query: A_CAMPAIGN });
  const [campaign] = (data as { campaigns: { nodes: { id: string }[] } } | null | undefined)?.campaigns.nodes ?? [];
  return JSON.stringify({ campaignId: campaign?.id ?? "" }, null, 2);
}

function Examples() {
  const { addTab } = useGraphiQLActions();
  const queryEditor = useGraphiQL((state) => state.queryEditor);
  const variableEditor = useGraphiQL((state) => state.variableEditor);
  const open = async (example: Example) => {
    const variables = await variablesOf(example);
    addTab();
    queryEditor?.setValue(example.query);
    variableEditor?.setValue(variables);
  };
  return (
    <section className="examples" aria-label="Examples">
      <div className="graphiql-doc-explorer-title">Examples</div>
      {GROUPS.map(({ title, about, examples }) => (
        <div key={title}>
          <h3>{title}</h3>
          <p>{about}</p>
          <ul>
            {examples.map((example) => (
              <li key={example.title}>
                <button type="button" onClick={() => void open(example)}>
                  {example.title}
                </button>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </section>
  );
}

const Icon = () => (
  <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
    <path d="M4 5h16M4 12h10M4 19h13" />
    <path d="M18 9l4 3-4 3z" fill="currentColor" />
  </svg>
);

export const EXAMPLES_PLUGIN: GraphiQLPlugin = { title: "Examples", icon: Icon, content: Examples };
