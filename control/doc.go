// Package control answers questions about the running daemon: HTTP over a Unix
// socket, and the client for it.
//
//	GET  /v1/status                     how everything is doing
//	GET  /v1/alerts?state=open|all      alerts, the newest first
//	POST /v1/alerts/{id}/{action}       ack, silence or resolve; {"comment":"…","until":"RFC 3339"}
//	POST /v1/drill                      a marked alert; {"name":"…","kind":"…","resolve_after":"1m"}
//	GET  /v1/events?after=N&wait=30s    the log of events after N, at most max=1000; waits for one if there is none
//	GET  /v1/history?name=…&type=…      what each resolver answered, as intervals
//	GET  /v1/unwatched?name=…&address=… what was overheard of a name that nobody watches
//	GET  /v1/verify?name=…&whole=true   a fresh verdict on a watched name
//	GET  /v1/explain?what=NAME|ID       every reason and fact
//	GET  /v1/evidence/{id}              an alert with the samples that it rests on
//	GET  /v1/health                     what keeps the daemon from its work; 503 if anything does, or the core is silent
//	GET  /metrics                       for Prometheus
//
// Whoever can open the socket may read and write: it belongs to a group, and
// its mode is 0660. Writes are logged with the user id of the peer, as the
// kernel tells it (SO_PEERCRED, unix(7)).
//
// Errors come as {"error":"…"} with a status that fits: 400 for what was asked,
// 404 for what is not there, 405 for another method, 504 where the core or the
// store does not answer in time, 503 while the daemon stops. Nothing here blocks
// the daemon: a slow reader holds up only itself, and not for long.
package control
