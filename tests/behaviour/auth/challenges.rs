//! The responses to clients with and without a valid token.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full};
use mcp_stateless::auth::ListedItems;
use serde_json::{Value, json};

use super::issuer::{ISSUER, Issuer, RESOURCE};
use super::server::{METADATA_URL, Protected, bearer, challenges};
use crate::log::Log;
use crate::support::{Answer, Era, Post};

#[tokio::test]
async fn a_request_without_a_token_is_told_where_to_get_one() {
    let issuer = Issuer::new();
    let server = Protected::with(&issuer, issuer.verifier(), |server| {
        server.scopes_supported(["tickets:read"]).expect("scopes")
    });
    for era in Era::BOTH {
        let answer = server.send(Post::call(era, "whoami", json!({}))).await;
        assert_eq!(answer.error(), (401, -32600));
        let expected = format!("Bearer resource_metadata=\"{METADATA_URL}\", scope=\"tickets:read\"");
        assert_eq!(challenges(&answer), [expected]);
    }
    let answer =
        server.send(Post::call(Era::Modern, "whoami", json!({})).header("authorization", "Basic YQ==")).await;
    assert_eq!(answer.status, 401);
    assert!(!challenges(&answer)[0].contains("error"), "{answer:?}");
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(server.send(Post::raw("").method(method)).await.status, 401);
    }
}

#[tokio::test]
async fn a_good_token_says_who_is_calling_and_goes_no_further() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let token = issuer.token(|_| {});
    for era in Era::BOTH {
        let post = bearer(Post::call(era, "whoami", json!({})), &token).header("dpop", "a.b.c");
        let answer = server.send(post).await;
        let told: Value = serde_json::from_str(&answer.tool_text()).expect("JSON");
        assert_eq!(told["principal"], format!("{ISSUER} ada"));
        assert_eq!((&told["issuer"], &told["subject"]), (&json!(ISSUER), &json!("ada")));
        assert_eq!((&told["client"], &told["scopes"]), (&json!("a-client"), &json!(["tickets:read"])));
        assert_eq!(told["sub"], "ada");
        let headers = told["headers"].as_array().expect("names");
        assert!(!headers.contains(&json!("authorization")) && !headers.contains(&json!("dpop")), "{told}");
        assert!(!told.to_string().contains(&token));
    }
}

#[tokio::test]
async fn a_token_is_neither_logged_nor_shown() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let (good, bad) =
        (issuer.token(|_| {}), issuer.token(|claims| claims["aud"] = "https://else.example".into()));
    let log = Log::default();
    let logging = log.keep();
    assert_eq!(server.status(&good).await, 200);
    let refused = server.call("whoami", &bad).await;
    assert_eq!(refused.status, 401);
    drop(logging);
    assert!(log.text().contains("the token was not issued for this resource"), "{}", log.text());
    for token in [&good, &bad] {
        for part in token.split('.').skip(1) {
            assert!(!log.text().contains(part) && !refused.text().contains(part));
            assert!(!format!("{:?} {:?}", server.authorize, issuer.verifier()).contains(part));
        }
    }
}

#[tokio::test]
async fn malformed_credentials_are_a_bad_request() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    for header in ["Bearer", "Bearer a b", "Bearer \"a\"", "Bearer ="] {
        let answer =
            server.send(Post::call(Era::Modern, "whoami", json!({})).header("authorization", header)).await;
        assert_eq!(answer.status, 400, "{header}");
        assert!(challenges(&answer)[0].starts_with("Bearer error=\"invalid_request\""), "{answer:?}");
        assert!(challenges(&answer)[0].contains(METADATA_URL));
    }
}

#[tokio::test]
async fn a_token_that_is_refused_is_named_invalid_and_why_stays_on_the_server() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let expired = issuer.token(|claims| claims["exp"] = (issuer.seconds() - 60).into());
    let foreign = issuer.token(|claims| claims["iss"] = "https://evil.example".into());
    for (token, description) in [
        (expired.as_str(), "The access token has expired"),
        (&foreign, "The access token is not valid for this resource"),
        ("garbage", "The access token is not valid for this resource"),
    ] {
        let answer = server.call("whoami", token).await;
        assert_eq!(answer.error(), (401, -32600));
        let expected = format!(
            "Bearer error=\"invalid_token\", error_description=\"{description}\", resource_metadata=\"{METADATA_URL}\""
        );
        assert_eq!(challenges(&answer), [expected]);
    }
}

#[tokio::test]
async fn scopes_of_every_request_are_part_of_each_challenge() {
    let issuer = Issuer::new();
    let server = Protected::with(&issuer, issuer.verifier(), |server| {
        server.scopes(["mcp"]).expect("scopes").scopes_supported(["tickets:read"]).expect("scopes")
    });
    let answer = server.send(Post::call(Era::Modern, "whoami", json!({}))).await;
    assert!(challenges(&answer)[0].ends_with("scope=\"mcp\""), "{answer:?}");
    let answer = server.call("whoami", &issuer.token(|_| {})).await;
    assert_eq!(answer.error(), (403, -32600));
    assert!(challenges(&answer)[0].contains("error=\"insufficient_scope\", scope=\"mcp\""), "{answer:?}");
    let with = |scope: &str| issuer.token(|claims| claims["scope"] = scope.into());
    assert_eq!(server.status(&with("tickets:read mcp")).await, 200);
    let answer = server.call("close", &with("mcp")).await;
    assert_eq!(answer.status, 403);
    assert!(challenges(&answer)[0].contains("scope=\"mcp tickets:write\""), "{answer:?}");
}

/// A body that must not be read.
#[derive(Debug)]
struct Untouched;

impl http_body::Body for Untouched {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        panic!("the body was read");
    }
}

#[tokio::test]
async fn a_request_is_refused_before_its_body_is_read_in_every_way_in() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let refused = || {
        let (head, _) =
            bearer(Post::call(Era::Modern, "whoami", json!({})), "bad").into_request().into_parts();
        Request::from_parts(head, Untouched)
    };
    let response = server.authorize.check(refused()).await.expect_err("refused");
    assert_eq!(response.status(), 401);
    let service = server.authorize.clone().wrap(server.manager.service(server.tools.clone()));
    let response = hyper::service::Service::call(&service, refused()).await.expect("infallible");
    assert_eq!(response.status(), 401);
    let response = tower_service::Service::call(&mut service.clone(), refused()).await.expect("infallible");
    assert_eq!(response.status(), 401);
}

#[tokio::test]
async fn a_preflight_is_answered_outside_of_the_authorization_without_a_router() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let service = server.authorize.clone().wrap(server.manager.service(server.tools.clone()));
    let service = server.manager.cors().wrap(service);
    let page = Post::raw("").method(Method::OPTIONS).header("origin", "http://localhost:3000");
    let preflight = page.header("access-control-request-method", "POST").into_request();
    let response = hyper::service::Service::call(&service, preflight).await.expect("infallible");
    assert_eq!(response.status(), 204);
}

#[tokio::test]
async fn the_layer_goes_around_a_whole_application() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let app = axum::Router::new()
        .route_service("/mcp", server.manager.service(server.tools.clone()))
        .layer(server.authorize.clone())
        .layer(server.manager.cors());
    let send = async |request: Request<Full<Bytes>>| {
        let mut app = app.clone();
        let response = tower_service::Service::call(&mut app, request.map(axum::body::Body::new)).await;
        Answer::read(response.expect("infallible")).await
    };
    let page = |post: Post| post.header("origin", "http://localhost:3000");
    let answer = send(page(Post::call(Era::Modern, "whoami", json!({}))).into_request()).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.headers["access-control-allow-origin"], "http://localhost:3000");
    assert!(
        answer.headers["access-control-expose-headers"].to_str().expect("ASCII").contains("www-authenticate")
    );
    let post = bearer(Post::call(Era::Modern, "whoami", json!({})), &issuer.token(|_| {}));
    assert!(send(page(post).into_request()).await.tool_text().contains("ada"));

    // The metadata, requested by a web page.
    let mut get = page(Post::raw("").method(Method::GET)).into_request();
    *get.uri_mut() = "/.well-known/oauth-protected-resource/mcp".parse().expect("a path");
    let answer = send(get).await;
    assert_eq!((answer.status.as_u16(), answer.json()["resource"].clone()), (200, json!(RESOURCE)));
    assert_eq!(answer.headers["access-control-allow-origin"], "http://localhost:3000");
    let preflight =
        page(Post::raw("").method(Method::OPTIONS)).header("access-control-request-method", "GET");
    let mut preflight =
        preflight.header("access-control-request-headers", "mcp-protocol-version").into_request();
    *preflight.uri_mut() = "/.well-known/oauth-protected-resource/mcp".parse().expect("a path");
    assert_eq!(send(preflight).await.status, 204);
}

async fn get(server: &Protected, method: Method, path: &str) -> Answer {
    let mut request = Post::raw("").method(method).into_request();
    *request.uri_mut() = path.parse().expect("a path");
    Answer::read(server.handle(request).await).await
}

#[tokio::test]
async fn the_metadata_is_at_the_path_of_the_resource_and_at_the_root() {
    let issuer = Issuer::new();
    let server = Protected::with(&issuer, issuer.verifier(), |server| {
        let server = server
            .scopes(["mcp"])
            .expect("scopes")
            .scopes_supported(["mcp", "tickets:read"])
            .expect("scopes");
        server.name("Tickets").documentation("https://docs.example.com").listed(ListedItems::All)
    });
    for path in [
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/",
        "/.well-known/oauth-protected-resource/mcp?x=1",
    ] {
        let answer = get(&server, Method::GET, path).await;
        assert_eq!(answer.status, 200, "{path}");
        let metadata = answer.json();
        assert_eq!(metadata["resource"], RESOURCE);
        assert_eq!(metadata["authorization_servers"], json!([ISSUER]));
        assert_eq!(metadata["scopes_supported"], json!(["mcp", "tickets:read"]));
        assert_eq!(metadata["bearer_methods_supported"], json!(["header"]));
        assert_eq!(metadata["resource_name"], "Tickets");
        assert_eq!(metadata["resource_documentation"], "https://docs.example.com");
    }
    let head = get(&server, Method::HEAD, "/.well-known/oauth-protected-resource/mcp").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    let post = get(&server, Method::POST, "/.well-known/oauth-protected-resource/mcp").await;
    assert_eq!(
        (post.status.as_u16(), &post.headers["allow"]),
        (405, &http::HeaderValue::from_static("GET, HEAD"))
    );
    for elsewhere in
        ["/.well-known/oauth-protected-resource/other", "/.well-known/oauth-protected-resourcemcp"]
    {
        assert_eq!(get(&server, Method::GET, elsewhere).await.status, 401, "{elsewhere}");
    }
}

#[tokio::test]
async fn host_and_origin_are_judged_before_the_token() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let post = || bearer(Post::call(Era::Modern, "whoami", json!({})), "bad");
    assert_eq!(server.send(post().header("host", "evil.example")).await.status, 403);
    assert_eq!(server.send(post().header("origin", "https://evil.example")).await.status, 403);
    assert_eq!(server.send(post()).await.status, 401);
}

#[tokio::test]
async fn a_response_of_a_wrapped_service_is_as_long_as_without_it() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let service = server.authorize.clone().wrap(server.manager.service(server.tools.clone()));
    let request = bearer(Post::call(Era::Modern, "whoami", json!({})), &issuer.token(|_| {})).into_request();
    let response = hyper::service::Service::call(&service, request).await.expect("infallible");
    let expected = http_body::Body::size_hint(response.body()).exact().expect("a known length");
    assert_eq!(response.into_body().collect().await.expect("a body").to_bytes().len() as u64, expected);
}
