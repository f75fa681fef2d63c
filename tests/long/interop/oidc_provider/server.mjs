// oidc-provider with the client credentials grant, introspection and revocation switched on. Where it is installed, which clients
// there are, where to listen: the environment says.

import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const { env } = process;
const { Provider } = await import(pathToFileURL(join(env.INTEROP_PACKAGE, "lib", "index.js")));
const scopes = JSON.parse(env.INTEROP_SCOPES);

const common = { grant_types: ["client_credentials"], redirect_uris: [], response_types: [], scope: scopes.join(" ") };
const clients = JSON.parse(env.INTEROP_ACCOUNTS).map(([client_id, client_secret, token_endpoint_auth_method]) => ({
  ...common, client_id, client_secret, token_endpoint_auth_method,
}));
clients.push({
  ...common,
  client_id: env.INTEROP_SIGNER,
  token_endpoint_auth_method: "private_key_jwt",
  token_endpoint_auth_signing_alg: "ES256",
  jwks: { keys: [JSON.parse(env.INTEROP_JWK)] },
});

const provider = new Provider(env.INTEROP_ISSUER, {
  clients,
  scopes,
  clientAuthMethods: ["client_secret_basic", "client_secret_post", "private_key_jwt"],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true },
  },
  ttl: { ClientCredentials: Number(env.INTEROP_LIFETIME) },
});

const tls = { cert: readFileSync(env.INTEROP_CERTIFICATE), key: readFileSync(env.INTEROP_KEY) };
createServer(tls, provider.callback()).listen({ fd: Number(env.INTEROP_FD) });
