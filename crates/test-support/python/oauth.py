"""What an application gives the SDKs so that they get access tokens for its user."""

import urllib.request
from http.cookiejar import CookieJar
from urllib.parse import parse_qs, urlparse

import anyio
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import OAuthClientMetadata

# Nothing listens there: the user's browser stops before it.
CALLBACK = "http://127.0.0.1:9/callback"
MOST_VISITS = 5

# Where the application's metadata document would be (OAuth Client ID Metadata Documents).
CLIENT_METADATA_URL = "https://stories.example/client.json"


class Arrived(Exception):
    """The browser has come to the application's own page."""

    def __init__(self, url):
        self.query = {name: values[0] for name, values in parse_qs(urlparse(url).query).items()}


class Redirections(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, request, body, code, message, headers, url):
        if url.startswith(CALLBACK):
            raise Arrived(url)
        return super().redirect_request(request, body, code, message, headers, url)


def browse(url):
    """Follows redirections with cookies up to the application's own page, and returns its query."""
    cookies = urllib.request.HTTPCookieProcessor(CookieJar())
    try:
        with urllib.request.build_opener(cookies, Redirections()).open(url) as page:
            raise AssertionError(f"the browser shows {page.status} at {page.url}: {page.read()}")
    except Arrived as arrived:
        return arrived.query


class Application:
    """A `TokenStorage` in memory, and the handlers of an `OAuthClientProvider`."""

    def __init__(self, url, answer, **options):
        """`answer` makes the library's result of the code, the state and the issuer."""
        # The resource's scopes of each visit to the authorization server.
        self.visits = []
        # Every answer of the token endpoint.
        self.granted = []
        self._client = None
        self._query = None
        self._answer = answer
        metadata = OAuthClientMetadata(
            client_name="stories",
            application_type="native",
            redirect_uris=[CALLBACK],
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
            token_endpoint_auth_method="none",
        )
        handlers = {"redirect_handler": self._redirect, "callback_handler": self._callback}
        self.provider = OAuthClientProvider(url, metadata, storage=self, **handlers, **options)

    async def get_tokens(self):
        return self.granted[-1] if self.granted else None

    async def set_tokens(self, tokens):
        self.granted.append(tokens)

    async def get_client_info(self):
        return self._client

    async def set_client_info(self, client):
        self._client = client

    async def _redirect(self, url):
        # Some libraries ask for a token to refresh others with where they can.
        self.visits.append(set(parse_qs(urlparse(url).query)["scope"][0].split()) - {"offline_access"})
        if len(self.visits) > MOST_VISITS:
            raise AssertionError(f"the user is asked again and again: {self.visits}")
        self._query = await anyio.to_thread.run_sync(browse, url)

    async def _callback(self):
        return self._answer(self._query["code"], self._query["state"], self._query["iss"])
