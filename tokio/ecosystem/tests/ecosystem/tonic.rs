//! tonic: a unary call, a stream to the client, one to the server, and both at once.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt, TryStreamExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status, Streaming};

use crate::on_heist;
use generated::weather_client::WeatherClient;
use generated::weather_server::{Weather, WeatherServer};

mod generated {
    include!(concat!(env!("OUT_DIR"), "/weather.Weather.rs"));
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Place {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int32, tag = "2")]
    height: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Report {
    #[prost(string, tag = "1")]
    place: String,
    #[prost(int32, tag = "2")]
    degrees: i32,
}

fn report(place: Place) -> Report {
    Report {
        place: place.name,
        degrees: 20 - place.height / 100,
    }
}

struct Station {
    /// Is dropped when a stream of reports ends.
    follower_left: mpsc::Sender<()>,
}

type Reports = Pin<Box<dyn Stream<Item = Result<Report, Status>> + Send>>;

#[tonic::async_trait]
impl Weather for Station {
    async fn now(&self, request: Request<Place>) -> Result<Response<Report>, Status> {
        match request.into_inner() {
            Place { name, .. } if name.is_empty() => Err(Status::invalid_argument("where?")),
            Place { name, .. } if name == "nowhere" => std::future::pending().await,
            place => Ok(Response::new(report(place))),
        }
    }

    type FollowStream = ReceiverStream<Result<Report, Status>>;

    /// Without end, until the client goes.
    async fn follow(
        &self,
        request: Request<Place>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let (reports, stream) = mpsc::channel(2);
        let (place, left) = (request.into_inner(), self.follower_left.clone());
        tokio::spawn(async move {
            let mut height = place.height;
            while reports
                .send(Ok(report(Place {
                    height,
                    ..place.clone()
                })))
                .await
                .is_ok()
            {
                height += 100;
            }
            left.send(()).await.expect("the test waits");
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn mean(&self, request: Request<Streaming<Place>>) -> Result<Response<Report>, Status> {
        let places: Vec<_> = request.into_inner().try_collect().await?;
        let height = places.iter().map(|place| place.height).sum::<i32>() / places.len() as i32;
        Ok(Response::new(report(Place {
            name: "all".into(),
            height,
        })))
    }

    type ChatStream = Reports;

    async fn chat(&self, request: Request<Streaming<Place>>) -> Result<Response<Reports>, Status> {
        Ok(Response::new(Box::pin(request.into_inner().map_ok(report))))
    }
}

struct Started {
    client: WeatherClient<Channel>,
    follower_left: mpsc::Receiver<()>,
    stop: oneshot::Sender<()>,
    server: tokio::task::JoinHandle<Result<(), tonic::transport::Error>>,
}

async fn start() -> Started {
    let (follower_left, left) = mpsc::channel(1);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address: SocketAddr = listener.local_addr().expect("bound");
    let (stop, stopped) = oneshot::channel::<()>();
    let server = Server::builder().add_service(WeatherServer::new(Station { follower_left }));
    let server = server.serve_with_incoming_shutdown(TcpListenerStream::new(listener), async {
        stopped.await.unwrap_or(())
    });
    let server = tokio::spawn(server);
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
    Started {
        client: WeatherClient::new(endpoint.connect().await.expect("a connection")),
        follower_left: left,
        stop,
        server,
    }
}

fn place(height: i32) -> Place {
    Place {
        name: "hill".into(),
        height,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unary_calls_share_a_connection() {
    on_heist(async {
        let Started {
            client,
            stop,
            server,
            ..
        } = start().await;
        let calls = (0..100).map(|i| {
            let mut client = client.clone();
            tokio::spawn(async move {
                client
                    .now(place(i * 100))
                    .await
                    .expect("a report")
                    .into_inner()
                    .degrees
            })
        });
        for (i, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
            assert_eq!(call.await.expect("no panic"), 20 - i as i32);
        }
        let mut client = client;
        let refused = client.now(Place::default()).await.expect_err("no place");
        assert_eq!(
            (refused.code(), refused.message()),
            (Code::InvalidArgument, "where?")
        );

        let mut late = Request::new(Place {
            name: "nowhere".into(),
            height: 0,
        });
        late.set_timeout(Duration::from_millis(50));
        let code = client.now(late).await.expect_err("too late").code();
        assert!(
            matches!(code, Code::Cancelled | Code::DeadlineExceeded),
            "{code}"
        );

        drop(client);
        stop.send(()).expect("it serves");
        server.await.expect("no panic").expect("no error");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_run_each_way_and_both() {
    on_heist(async {
        let Started {
            mut client,
            mut follower_left,
            stop: _until_the_end,
            ..
        } = start().await;
        let mut reports = client
            .follow(place(0))
            .await
            .expect("a stream")
            .into_inner();
        for i in 0..1000 {
            let report = reports.next().await.expect("open").expect("a report");
            assert_eq!(report.degrees, 20 - i);
        }
        drop(reports);
        follower_left
            .recv()
            .await
            .expect("the server's stream ends with the client's");

        let mean = client
            .mean(tokio_stream::iter((0..=1000).map(place)))
            .await
            .expect("a report");
        assert_eq!(mean.into_inner().degrees, 15);

        let (places, stream) = mpsc::channel(1);
        let mut chat = client
            .chat(ReceiverStream::new(stream))
            .await
            .expect("a stream")
            .into_inner();
        for i in 0..200 {
            places.send(place(i * 100)).await.expect("open");
            let report = chat.message().await.expect("open").expect("a report");
            assert_eq!(report.degrees, 20 - i);
        }
        drop(places);
        assert_eq!(chat.message().await.expect("a clean end"), None);
    })
    .await;
}
