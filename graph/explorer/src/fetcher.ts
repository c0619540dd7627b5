// Operations go to the endpoint by POST, subscriptions over one WebSocket (graphql-transport-ws). What is answered is shown to
// the chart on its way.
import type { Fetcher, FetcherParams } from "@graphiql/toolkit";
import { Kind, parse, type ExecutionResult, type OperationDefinitionNode } from "graphql";
import { createClient, type Client } from "graphql-ws";

import { begin, show } from "./answers";
import { settings } from "./settings";
import { authorizationOf } from "./token";

type Headers = Record<string, unknown> | undefined;

let socket: { client: Client; authorization: string | undefined } | undefined;

/** The connection of a credential. That of another one ends. */
function clientFor(authorization: string | undefined): Client {
  if (socket?.authorization === authorization && socket) return socket.client;
  void socket?.client.dispose();
  const url = new URL(settings.endpoint, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const client = createClient({ url: url.href, connectionParams: { authorization } });
  socket = { client, authorization };
  return client;
}

/** Sends one operation by POST. */
export async function post(params: FetcherParams, headers?: Headers): Promise<ExecutionResult> {
  const authorization = authorizationOf(headers);
  const response = await fetch(settings.endpoint, {
    method: "POST",
    headers: {
      ...(headers as Record<string, string>),
      ...(authorization ? { authorization } : {}),
      accept: "application/graphql-response+json, application/json;q=0.9",
      "content-type": "application/json",
    },
    body: JSON.stringify(params),
    credentials: "omit",
  });
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${response.status} ${response.statusText}: ${text.slice(0, 500)}`);
  }
}

/** Not a generator: one that waits for the next event could not be ended before it comes. */
function watched(answers: AsyncIterableIterator<ExecutionResult>): AsyncIterableIterator<ExecutionResult> {
  return {
    async next() {
      try {
        const one = await answers.next();
        if (!one.done) show(one.value, true);
        return one;
      } catch (reason) {
        throw reason instanceof CloseEvent ? new Error(`${reason.code}: ${reason.reason || "the connection was closed"}`) : reason;
      }
    },
    return: async () => (await answers.return?.()) ?? { done: true, value: undefined },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** The operation to run, by the text itself: what the editor knows of it, its name too, comes a moment after it was typed. */
function operationOf({ query, operationName }: FetcherParams): OperationDefinitionNode | undefined {
  try {
    const found = parse(query).definitions.filter((one) => one.kind === Kind.OPERATION_DEFINITION);
    return found.length === 1 ? found[0] : found.find((one) => one.name?.value === operationName);
  } catch {
    return undefined; // the server says what is wrong with it
  }
}

export const fetcher: Fetcher = (given, options) => {
  const operation = operationOf(given);
  const params = operation ? { ...given, operationName: operation.name?.value } : given;
  const isOwn = params.operationName === "IntrospectionQuery";
  if (!isOwn) begin();
  if (operation?.operation === "subscription") {
    const client = clientFor(authorizationOf(options?.headers));
    return watched(client.iterate(params as never) as AsyncIterableIterator<ExecutionResult>) as never;
  }
  return post(params, options?.headers).then((answer) => {
    if (!isOwn) show(answer, false);
    return answer;
  }) as never;
};
