/* SPDX-License-Identifier: MIT */
/* Asks the server on the loop. */
#include "prober.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

/*
 * The sockets of the probes, one at a time, are watched by an epoll instance of our own, and the
 * loop watches that: libuv aborts if the kernel has no room for one more descriptor to watch
 * (fs.epoll.max_user_watches, which all containers of a uid share), and here it is just no answer.
 */

static uint64_t
now_us(void)
{
	return uv_hrtime() / 1000;
}

static uint64_t
now_ms(void)
{
	return uv_hrtime() / 1000000;
}

static void on_timer(uv_timer_t *timer);

static void
set_timer(struct prober *prober, uint64_t delay_ms)
{
	uv_update_time(prober->loop);
	prober->due_ms = now_ms() + delay_ms;
	(void)uv_timer_start(&prober->timer, on_timer, delay_ms, 0); /* fails only while closing */
}

/* Nothing is on its way: wait for the next question, if there is to be one. */
static void
rest(struct prober *prober)
{
	uint64_t delay_ms = prober->is_wanted ? health_delay(&prober->health, now_ms()) : 0;

	probe_close(&prober->probe);
	prober->is_asking = false;
	if (delay_ms > 0)
		set_timer(prober, delay_ms);
	else
		(void)uv_timer_stop(&prober->timer);
}

/* Watch the probe's socket for what it waits for; closing it ends that. */
static void
watch_socket(struct prober *prober, int how)
{
	struct probe *probe = &prober->probe;
	struct epoll_event event = { .events = (probe->events & POLLOUT) ? EPOLLOUT : EPOLLIN };

	if (epoll_ctl(prober->epoll_fd, how, probe->fd, &event) < 0)
		probe->verdict = (struct probe_verdict){ .result = PROBE_ERROR,
			.reason = PROBE_CANNOT_ASK,
			.error = errno,
			.address = probe->verdict.address };
}

/* As long as there is a verdict on this address: the next one, or the end. */
static void
settle(struct prober *prober)
{
	const struct probe *probe = &prober->probe;
	enum health_fact fact;

	while (probe->verdict.result != PROBE_PENDING && probe_next(&prober->probe, now_us()))
		if (probe->verdict.result == PROBE_PENDING)
			watch_socket(prober, EPOLL_CTL_ADD);
	if (probe->verdict.result == PROBE_PENDING)
		return;
	fact = health_take(&prober->health, &probe->verdict, now_ms());
	rest(prober);
	if (fact != HEALTH_NOTHING)
		prober->spec.on_fact(prober->spec.arg, fact);
}

/* Nothing is taken from our epoll instance: it is level-triggered, and there is one socket in it. */
static void
on_readable(uv_poll_t *poll, int status, int events)
{
	struct prober *prober = poll->data;

	(void)status;
	(void)events;
	if (!prober->is_asking)
		return;
	if (probe_go_on(&prober->probe, now_us()) == PROBE_PENDING)
		watch_socket(prober, EPOLL_CTL_MOD);
	settle(prober);
}

static void
ask(struct prober *prober)
{
	prober->is_asking = true;
	set_timer(prober, prober->spec.probe.timeout_ms); /* for all addresses */
	if (probe_start(&prober->probe, &prober->spec.probe, now_us()) == PROBE_PENDING)
		watch_socket(prober, EPOLL_CTL_ADD);
	settle(prober);
}

static void
on_timer(uv_timer_t *timer)
{
	struct prober *prober = timer->data;
	bool stood_still = now_ms() > prober->due_ms + HEALTH_LAG_MS;

	if (stood_still)
		health_forget(&prober->health);
	if (!prober->is_asking) {
		ask(prober);
	} else if (stood_still) {
		rest(prober);
	} else {
		(void)probe_expire(&prober->probe, now_us());
		settle(prober);
	}
}

/* ---- the public ones ---- */

int
prober_open(struct prober *prober, uv_loop_t *loop, const struct prober_spec *spec)
{
	int status;

	prober->spec = *spec;
	prober->loop = loop;
	prober->probe.fd = -1;
	prober->is_wanted = prober->is_asking = false;
	health_init(&prober->health, &spec->policy);
	prober->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (prober->epoll_fd < 0)
		return -errno;
	status = uv_poll_init(loop, &prober->poll, prober->epoll_fd);
	if (status < 0) {
		(void)close(prober->epoll_fd);
		return status;
	}
	prober->poll.data = prober;
	(void)uv_timer_init(loop, &prober->timer); /* cannot fail */
	prober->timer.data = prober;
	return uv_poll_start(
	    &prober->poll, UV_READABLE, on_readable); /* fails only while closing */
}

void
prober_begin(struct prober *prober, uint64_t started_ms)
{
	health_begin(&prober->health, started_ms);
	prober->is_wanted = true;
	rest(prober);
}

void
prober_begin_now(struct prober *prober, uint64_t started_ms)
{
	prober_begin(prober, started_ms);
	ask(prober);
}

void
prober_mark(struct prober *prober, unsigned char mark)
{
	prober->spec.probe.mark = mark;
}

void
prober_end(struct prober *prober)
{
	prober->is_wanted = false;
	rest(prober);
}

void
prober_close(struct prober *prober)
{
	prober_end(prober);
	uv_close((uv_handle_t *)&prober->timer, NULL);
	uv_close((uv_handle_t *)&prober->poll, NULL);
	(void)close(prober->epoll_fd);
}
