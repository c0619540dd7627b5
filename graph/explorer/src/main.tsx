import "graphiql/style.css";
import "./style.css";
import "./workers";

import { HISTORY_PLUGIN } from "@graphiql/plugin-history";
import { GraphiQL } from "graphiql";
import { createRoot } from "react-dom/client";

import { ChartPanel } from "./chart";
import { EXAMPLES_PLUGIN } from "./examples_panel";
import { DASHBOARD } from "./examples";
import { fetcher } from "./fetcher";
import { TokenField } from "./token";

const PLUGINS = [HISTORY_PLUGIN, EXAMPLES_PLUGIN];

function Explorer() {
  return (
    <GraphiQL
      fetcher={fetcher}
      plugins={PLUGINS}
      visiblePlugin={EXAMPLES_PLUGIN}
      defaultQuery={DASHBOARD}
      defaultEditorToolsVisibility={false}
      shouldPersistHeaders={false}
      showPersistHeadersSettings={false}
    >
      <GraphiQL.Logo>
        <TokenField />
      </GraphiQL.Logo>
      <GraphiQL.Footer>
        <ChartPanel />
      </GraphiQL.Footer>
    </GraphiQL>
  );
}

createRoot(document.getElementById("explorer")!).render(<Explorer />);
