import type {
  DeliveryReplay,
  IssuedWebhook,
  ReplayedDeliveries,
  SecretRotation,
  Webhook,
  WebhookDefinition,
  WebhookDelivery,
  WebhookDeliveryPage,
  WebhookPage,
} from "./api-types.ts";
import type { Sent } from "./job-types.ts";
import {
  type CallOptions,
  type PageQuery,
  postEmpty,
  postJson,
  putJson,
  type PutOptions,
  type Transport,
  type WriteOptions,
} from "./transport.ts";

export interface ListDeliveriesQuery extends PageQuery {
  status?: WebhookDelivery["status"];
}

/** Calls about webhooks. */
export function createWebhookCalls({ call }: Transport) {
  const toPath = (name: string) => `/v1/webhooks/${encodeURIComponent(name)}`;
  return {
    /** Creates a webhook, whose secret is only returned by this call, or replaces its definition. */
    putWebhook: (name: string, definition: Sent<WebhookDefinition>, options: PutOptions = {}) =>
      call<Webhook | IssuedWebhook>(toPath(name), putJson(definition, options)),

    listWebhooks: (query: PageQuery = {}, options: CallOptions = {}) =>
      call<WebhookPage>("/v1/webhooks", { ...options, query: { ...query } }),

    getWebhook: (name: string, options: CallOptions = {}) => call<Webhook>(toPath(name), options),

    deleteWebhook: (name: string, options: CallOptions = {}) =>
      call<Webhook>(toPath(name), { ...options, method: "DELETE" }),

    /** Issues a new secret, which is only returned by this call. */
    rotateWebhook: (
      name: string,
      rotation: Sent<SecretRotation> = {},
      options: WriteOptions = {},
    ) => call<IssuedWebhook>(`${toPath(name)}/rotate`, postJson(rotation, options)),

    enableWebhook: (name: string, options: WriteOptions = {}) =>
      call<Webhook>(`${toPath(name)}/enable`, postEmpty(options)),

    disableWebhook: (name: string, options: WriteOptions = {}) =>
      call<Webhook>(`${toPath(name)}/disable`, postEmpty(options)),

    /** Sends a test event. */
    testWebhook: (name: string, options: WriteOptions = {}) =>
      call<WebhookDelivery>(`${toPath(name)}/test`, postEmpty(options)),

    listWebhookDeliveries: (
      name: string,
      query: ListDeliveriesQuery = {},
      options: CallOptions = {},
    ) =>
      call<WebhookDeliveryPage>(`${toPath(name)}/deliveries`, { ...options, query: { ...query } }),

    /** Sends an event again. */
    replayWebhookDelivery: (name: string, id: string, options: WriteOptions = {}) =>
      call<WebhookDelivery>(
        `${toPath(name)}/deliveries/${encodeURIComponent(id)}/replay`,
        postEmpty(options),
      ),

    /** Sends the events of a time range again. Continue with `from` set to `next` until `next` is null. */
    replayWebhookDeliveries: (name: string, replay: DeliveryReplay, options: WriteOptions = {}) =>
      call<ReplayedDeliveries>(`${toPath(name)}/replay`, postJson(replay, options)),
  };
}
