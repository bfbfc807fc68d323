//! Events: libvirt's event loop, and subscriptions to what happens to domains.

use std::ffi::{c_int, c_uchar, c_void};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use uuid::Uuid;
use virt::connect::Connect;
use virt::error::{Error, clear_error_callback};
use virt::sys;

use super::exit::end_at_once;
use super::job::Job;
use super::params::{Values, check};

/// What happened to a domain, as far as a migration cares.
#[derive(Clone, Debug)]
pub(crate) enum DomainEvent {
    /// The source stopped the guest, since it goes on by post-copy elsewhere.
    LeftByPostCopy(Uuid),
    /// Anything else; whoever wants to know looks at the domain.
    Changed,
    /// A job ended; its final figures.
    JobCompleted {
        domain: Uuid,
        job: Job,
    },
    /// A migration begins to go over the memory for the given time.
    Iteration {
        domain: Uuid,
        iteration: u32,
    },
    Closed,
}

/// Where events go. Called on the event loop's thread: it must neither block nor call
/// libvirt.
pub(crate) type Sink = Arc<dyn Fn(DomainEvent) + Send + Sync>;

/// Starts libvirt's event loop, once for the process. Keepalive and events live on it, so it
/// must run before the first connection is opened.
///
/// # Errors
/// When libvirt or the operating system refuses; every later call then says the same.
pub(crate) fn event_loop() -> Result<(), String> {
    static STARTED: OnceLock<Result<(), String>> = OnceLock::new();
    STARTED.get_or_init(start_event_loop).clone()
}

fn start_event_loop() -> Result<(), String> {
    // Otherwise libvirt prints every error to standard error, also those we expect.
    clear_error_callback();
    // SAFETY: takes no arguments; `OnceLock` sees to it that it is called once, before any
    // connection exists.
    check(unsafe { sys::virEventRegisterDefaultImpl() }).map_err(|error| error.to_string())?;
    // SAFETY: takes no arguments. Connections would do it, each of them; it has to be done now, for
    // the libraries under libvirt register then what `end_at_once` has to come before.
    check(unsafe { sys::virInitialize() }).map_err(|error| error.to_string())?;
    end_at_once()?;
    std::thread::Builder::new()
        .name("libvirt-events".into())
        .spawn(|| {
            loop {
                // SAFETY: the implementation was registered above, and this is the only
                // thread that runs it.
                let turn = check(unsafe { sys::virEventRunDefaultImpl() });
                if let Err(error) = turn {
                    tracing::error!(%error, "libvirt's event loop stumbled");
                    pause();
                }
            }
        })
        .map(drop)
        .map_err(|error| error.to_string())
}

/// Keeps a failing event loop from spinning.
#[expect(
    clippy::disallowed_methods,
    reason = "a thread of libvirt's own, with nothing else to wait for"
)]
fn pause() {
    std::thread::sleep(Duration::from_secs(1));
}

/// Subscribed to the events of one connection, for as long as it lives.
pub(crate) struct Subscription {
    connect: Connect,
    ids: Vec<c_int>,
    closes: bool,
}

impl Subscription {
    /// Hands the events of all domains on `connect`, and the connection's end, to `sink`.
    pub(crate) fn new(connect: &Connect, sink: &Sink) -> Result<Self, Error> {
        let mut subscription = Self {
            connect: connect.clone(),
            ids: Vec::new(),
            closes: false,
        };
        // SAFETY (of the three transmutes): libvirt takes every callback as a generic one and
        // calls it with the signature that belongs to the event's id.
        unsafe {
            subscription.register(
                sys::VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                std::mem::transmute::<LifecycleCallback, GenericCallback>(on_lifecycle),
                sink,
            )?;
            subscription.register(
                sys::VIR_DOMAIN_EVENT_ID_JOB_COMPLETED,
                std::mem::transmute::<JobCallback, GenericCallback>(on_job_completed),
                sink,
            )?;
            subscription.register(
                sys::VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION,
                std::mem::transmute::<IterationCallback, GenericCallback>(on_iteration),
                sink,
            )?;
        }
        subscription.register_close(sink)?;
        Ok(subscription)
    }

    /// # Safety
    /// `callback` must be what libvirt calls for the event `id`, and must take a pointer to a
    /// `Sink` as its last argument.
    unsafe fn register(
        &mut self,
        id: sys::virDomainEventID,
        callback: GenericCallback,
        sink: &Sink,
    ) -> Result<(), Error> {
        let opaque = Box::into_raw(Box::new(Arc::clone(sink)));
        // SAFETY: the connection is alive; `opaque` is a boxed sink, which libvirt hands to
        // the callback and, once it is done with it, to `free_sink`.
        let registered = unsafe {
            sys::virConnectDomainEventRegisterAny(
                self.connect.as_ptr(),
                std::ptr::null_mut(),
                c_int::try_from(id).unwrap_or(-1),
                Some(callback),
                opaque.cast(),
                Some(free_sink),
            )
        };
        if registered < 0 {
            // SAFETY: libvirt took nothing, so the box is still ours.
            drop(unsafe { Box::from_raw(opaque) });
            return Err(Error::last_error());
        }
        self.ids.push(registered);
        Ok(())
    }

    fn register_close(&mut self, sink: &Sink) -> Result<(), Error> {
        let opaque = Box::into_raw(Box::new(Arc::clone(sink)));
        // SAFETY: as in `register`.
        let registered = check(unsafe {
            sys::virConnectRegisterCloseCallback(
                self.connect.as_ptr(),
                Some(on_close),
                opaque.cast(),
                Some(free_sink),
            )
        });
        if registered.is_err() {
            // SAFETY: libvirt took nothing, so the box is still ours.
            drop(unsafe { Box::from_raw(opaque) });
        }
        self.closes = registered.is_ok();
        registered
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        for id in &self.ids {
            // SAFETY: the connection is alive, since `self` holds a reference to it. An error
            // means that the connection is broken; libvirt frees the sink all the same.
            unsafe { sys::virConnectDomainEventDeregisterAny(self.connect.as_ptr(), *id) };
        }
        if self.closes {
            // SAFETY: the connection is alive, and the callback is the one registered.
            unsafe {
                sys::virConnectUnregisterCloseCallback(self.connect.as_ptr(), Some(on_close))
            };
        }
    }
}

type GenericCallback = unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, *mut c_void);
type LifecycleCallback =
    unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, c_int, c_int, *mut c_void) -> c_int;
type JobCallback = unsafe extern "C" fn(
    sys::virConnectPtr,
    sys::virDomainPtr,
    sys::virTypedParameterPtr,
    c_int,
    *mut c_void,
);
type IterationCallback =
    unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, c_int, *mut c_void);

unsafe extern "C" fn free_sink(opaque: *mut c_void) {
    // SAFETY: registered with a boxed sink, and libvirt calls this once.
    drop(unsafe { Box::from_raw(opaque.cast::<Sink>()) });
}

/// # Safety
/// `opaque` must be a boxed `Sink` that is still registered.
unsafe fn emit(opaque: *mut c_void, event: DomainEvent) {
    // SAFETY: the caller vouches for it.
    let sink = unsafe { &*opaque.cast::<Sink>() };
    sink(event);
}

/// # Safety
/// `domain` must be a domain of libvirt's.
unsafe fn uuid_of(domain: sys::virDomainPtr) -> Uuid {
    let mut bytes: [c_uchar; 16] = [0; 16];
    // SAFETY: the caller vouches for the domain, and a uuid has 16 bytes. It cannot fail for
    // a valid domain, and if it did, nobody looks for the nil uuid.
    unsafe { sys::virDomainGetUUID(domain, bytes.as_mut_ptr()) };
    Uuid::from_bytes(bytes)
}

unsafe extern "C" fn on_lifecycle(
    _connect: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    event: c_int,
    detail: c_int,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: libvirt passes a domain and the sink that was registered.
    unsafe {
        let event = match (event.unsigned_abs(), detail.unsigned_abs()) {
            (sys::VIR_DOMAIN_EVENT_SUSPENDED, sys::VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY) => {
                DomainEvent::LeftByPostCopy(uuid_of(domain))
            }
            _ => DomainEvent::Changed,
        };
        emit(opaque, event);
    }
    0
}

unsafe extern "C" fn on_job_completed(
    _connect: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    list: sys::virTypedParameterPtr,
    length: c_int,
    opaque: *mut c_void,
) {
    // SAFETY: libvirt passes a domain, a list of that length which it frees itself, and the
    // sink that was registered.
    unsafe {
        let job = Job::ended(&Values::copy(list, length));
        let domain = uuid_of(domain);
        emit(opaque, DomainEvent::JobCompleted { domain, job });
    }
}

unsafe extern "C" fn on_iteration(
    _connect: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    iteration: c_int,
    opaque: *mut c_void,
) {
    let iteration = iteration.unsigned_abs();
    // SAFETY: libvirt passes a domain and the sink that was registered.
    unsafe {
        let domain = uuid_of(domain);
        emit(opaque, DomainEvent::Iteration { domain, iteration });
    }
}

unsafe extern "C" fn on_close(_connect: sys::virConnectPtr, _reason: c_int, opaque: *mut c_void) {
    // SAFETY: libvirt passes the sink that was registered.
    unsafe { emit(opaque, DomainEvent::Closed) };
}
