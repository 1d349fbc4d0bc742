use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::{ObjectStoreExt, PutMode};

use super::*;
use crate::clock::Micros;

/// A store whose puts fail or hang as long as they are told to.
#[derive(Debug)]
struct Moody {
    inner: InMemory,
    mood: Mutex<Mood>,
}

#[derive(Debug, Clone, Copy)]
enum Mood {
    Well,
    Failing,
    Hanging,
}

impl fmt::Display for Moody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Moody")
    }
}

#[async_trait]
impl ObjectStore for Moody {
    async fn put_opts(&self, at: &Path, what: PutPayload, how: PutOptions) -> Result<PutResult> {
        let mood = *self.mood.lock();
        match mood {
            Mood::Well => self.inner.put_opts(at, what, how).await,
            Mood::Failing => Err(Error::Generic {
                store: "moody",
                source: "503".into(),
            }),
            Mood::Hanging => std::future::pending().await,
        }
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, how).await
    }

    async fn get_opts(&self, at: &Path, how: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(at, how).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, how).await
    }
}

struct Scene {
    moody: Arc<Moody>,
    store: Watched,
    watch: Watch,
    metrics: Metrics,
    clock: Clock,
}

fn scene() -> Scene {
    let moody = Arc::new(Moody {
        inner: InMemory::new(),
        mood: Mutex::new(Mood::Well),
    });
    let (metrics, clock) = (Metrics::new().unwrap(), Clock::manual(Micros(0)));
    let watch = Watch::new("lake", metrics.clone(), clock.clone());
    Scene {
        store: Watched::new(moody.clone(), &watch),
        moody,
        watch,
        metrics,
        clock,
    }
}

impl Scene {
    fn count(&self, op: &str, outcome: &str) -> u64 {
        let labels = ["lake", op, outcome];
        self.metrics.store_requests.with_label_values(&labels).get()
    }

    async fn put(&self, mode: PutMode) -> Result<PutResult> {
        let path = Path::from("a");
        self.store.put_opts(&path, "x".into(), mode.into()).await
    }
}

#[tokio::test]
async fn a_failure_is_told_until_a_request_is_answered() {
    let scene = scene();
    scene.put(PutMode::Overwrite).await.unwrap();
    assert_eq!(scene.watch.trouble(), None);
    *scene.moody.mood.lock() = Mood::Failing;
    assert!(scene.put(PutMode::Overwrite).await.is_err());
    let told = scene.watch.trouble().unwrap();
    assert!(
        told.starts_with("put failed: ") && told.contains("503"),
        "{told}"
    );
    *scene.moody.mood.lock() = Mood::Well;
    scene.put(PutMode::Overwrite).await.unwrap();
    assert_eq!(scene.watch.trouble(), None);
    assert_eq!(
        (scene.count("put", "ok"), scene.count("put", "failed")),
        (2, 1)
    );
}

#[tokio::test]
async fn a_conflict_and_an_absence_are_answers() {
    let scene = scene();
    scene.put(PutMode::Create).await.unwrap();
    assert!(scene.put(PutMode::Create).await.is_err());
    assert!(scene.store.get(&Path::from("nothing")).await.is_err());
    assert_eq!(scene.watch.trouble(), None);
    assert_eq!(scene.count("put", "conflict"), 1);
    assert_eq!(scene.count("get", "not_found"), 1);
}

#[tokio::test]
async fn a_request_without_an_answer_is_told_while_somebody_waits_for_it() {
    let scene = scene();
    *scene.moody.mood.lock() = Mood::Hanging;
    let mut hanging = Box::pin(scene.put(PutMode::Overwrite));
    assert!(futures::poll!(&mut hanging).is_pending());
    assert_eq!(scene.watch.trouble(), None);
    scene.clock.advance(SLOW + Duration::from_secs(1));
    let told = scene.watch.trouble();
    assert_eq!(told.as_deref(), Some("no answer for 16 s"));
    drop(hanging);
    assert_eq!(scene.watch.trouble(), None);
}

#[tokio::test]
async fn a_listing_is_passed_on_and_counted_once() {
    let scene = scene();
    scene.put(PutMode::Overwrite).await.unwrap();
    let listed: Vec<ObjectMeta> = scene.store.list(None).try_collect().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(scene.count("list", "ok"), 1);
    scene.store.delete(&listed[0].location).await.unwrap();
    assert_eq!(scene.count("delete", "ok"), 1);
}
