// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a packet: a hook sees it, the parsers fill one event, our own
 * traffic is left out, the event goes to the ring. Whatever the packet is, it
 * is counted once and passes on untouched.
 *
 * Only the kernel's stable interface is used (no types by BTF): the object
 * loads from Linux 5.14 on.
 */
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "config.h"
#include "event.h"
#include "load.h"
#include "maps.h"
#include "parse.h"

#define TCX_NEXT (-1) /* TC_ACT_UNSPEC to a clsact filter: the next one decides */

#define VLAN_TAG_BYTES 4
#define GSO_BY_FRAGS 0xffff /* gso_size of a packet whose parts differ in size */

/* What the ring keeps in front of a record. */
#define RING_RECORD_BYTES (BPF_RINGBUF_HDR_SZ + sizeof(struct packet_event))

/*
 * An empty event, and the cursor at the first of `length` bytes. The memory is
 * the CPU's own, as the counters are: see finish().
 */
static __always_inline struct packet_event *start(struct cursor *cursor, __u32 length)
{
	__u32 key = 0;
	struct scratch *memory = bpf_map_lookup_elem(&scratch, &key);

	if (!memory) /* never: for the verifier */
		return NULL;
	__builtin_memset(&memory->event, 0, sizeof(memory->event));
	memory->position.offset = 0;
	memory->position.end = length;
	cursor->at = &memory->position;
	cursor->frame.captured = length;
	cursor->frame.length = length;
	return &memory->event;
}

/* ------------------------------------------------------- what became of it */

static __always_inline bool is_own(const struct packet_event *event)
{
	return exclude_own && event->key.protocol == IPPROTO_TCP &&
	       event->key.flags & FLOW_HAS_PORTS &&
	       bpf_map_lookup_elem(&own_connections, &event->key.endpoints);
}

/* `fill` has the newest record in it. */
static __always_inline bool crossed(__u64 fill, __u64 threshold)
{
	return fill >= threshold && fill - RING_RECORD_BYTES < threshold;
}

/*
 * A wake-up costs many times the record, so the reader is woken only when the
 * fill rises over a threshold; in between its own time-out finds the records.
 * That also covers the rare edge that several CPUs cross together and all miss.
 */
static __always_inline __u64 wakeup(void)
{
	__u64 fill = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);

	if (crossed(fill, wakeup_bytes) || crossed(fill, ring_bytes / 2))
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

/*
 * Counters and sequences are the CPU's own and every hook runs with bottom
 * halves disabled, so that none interrupts another: plain increments do.
 */
static __always_inline void finish(struct packet_event *event, enum counter_slot slot)
{
	__u32 counters_key = slot, sequence_key = 0;
	struct hook_counters *counter = bpf_map_lookup_elem(&counters, &counters_key);
	__u64 *sequence = bpf_map_lookup_elem(&sequences, &sequence_key);
	struct packet_event *record;

	if (!counter || !sequence) /* never: for the verifier */
		return;
	counter->seen++;
	counter->segments += event->segments;
	if (is_own(event)) {
		counter->filtered_self++;
		return;
	}

	event->header.kind = RECORD_PACKET;
	event->header.version = PACKET_EVENT_VERSION;
	event->header.length = sizeof(*event);
	event->header.cpu = bpf_get_smp_processor_id();
	event->header.sequence = *sequence;

	/* cheaper than bpf_ringbuf_output, whose copy is a call */
	record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);
	if (!record) {
		counter->ring_full++;
		return;
	}
	*record = *event;
	bpf_ringbuf_submit(record, wakeup());
	*sequence += 1;
	counter->emitted++;
}

/* --------------------------------------------- skb: TC and socket filter */

/* Wire packets that the skb stands for; `headers` is what each of them has. */
static __always_inline __u32 count_segments(const struct __sk_buff *skb, __u32 headers)
{
	__u32 segments = skb->gso_segs, size = skb->gso_size;

	if (size == 0)
		return 1;
	/* a guest or the writer of a tun device may give the size only */
	if (segments == 0 && size != GSO_BY_FRAGS && skb->len > headers)
		segments = (skb->len - headers + size - 1) / size;
	return segments ? segments : 1;
}

/*
 * Bytes on the wire: `headers` in each segment, and the tag beside the bytes.
 * At TC egress the kernel has the length of all segments, still without tag.
 */
static __always_inline __u32 wire_length(const struct __sk_buff *skb, enum hook hook,
					 enum direction direction, __u32 segments,
					 __u32 headers, __u32 tag)
{
	if (hook == HOOK_TC && direction == DIRECTION_EGRESS)
		return skb->wire_len + segments * tag;
	return skb->len + (segments - 1) * headers + segments * tag;
}

static __always_inline void capture_skb(struct __sk_buff *skb, struct cursor *cursor,
					enum direction direction, enum counter_slot slot,
					bool link_layer)
{
	__u32 beside = skb->vlan_present ? VLAN_TAG_BYTES : 0;
	struct packet_event *event = start(cursor, skb->len);
	int ethertype;

	if (!event)
		return;
	cursor->frame.context = skb;

	event->timestamp_ns = bpf_ktime_get_boot_ns();
	event->key.ifindex = skb->ifindex;
	event->key.hook = cursor->frame.hook;
	event->key.direction = direction;

	/* the outer tag may have been taken out of the bytes */
	if (beside)
		set_vlan(event, skb->vlan_tci);
	ethertype = link_layer ? parse_ethernet(cursor, event) :
				 bpf_ntohs((__u16)skb->protocol);
	if (ethertype >= 0)
		parse_network(cursor, event, ethertype);

	event->segments = count_segments(skb, cursor->at->offset);
	event->wire_length = wire_length(skb, cursor->frame.hook, direction, event->segments,
					cursor->at->offset, beside);
	finish(event, slot);
}

static __always_inline int capture_tc(struct __sk_buff *skb, enum direction direction,
				      bool link_layer)
{
	struct cursor cursor = {
		.frame.hook = HOOK_TC,
		.frame.data = (void *)(long)skb->data,
		.frame.data_end = (void *)(long)skb->data_end,
	};

	capture_skb(skb, &cursor, direction,
		    direction == DIRECTION_INGRESS ? TC_INGRESS : TC_EGRESS, link_layer);
	return TCX_NEXT;
}

SEC("tc")
int tc_ingress(struct __sk_buff *skb)
{
	return capture_tc(skb, DIRECTION_INGRESS, true);
}

SEC("tc")
int tc_egress(struct __sk_buff *skb)
{
	return capture_tc(skb, DIRECTION_EGRESS, true);
}

/* The _l3 programs are for devices without a link layer, such as tun. */
SEC("tc")
int tc_ingress_l3(struct __sk_buff *skb)
{
	return capture_tc(skb, DIRECTION_INGRESS, false);
}

SEC("tc")
int tc_egress_l3(struct __sk_buff *skb)
{
	return capture_tc(skb, DIRECTION_EGRESS, false);
}

static __always_inline int capture_socket(struct __sk_buff *skb, bool link_layer)
{
	struct cursor cursor = { .frame.hook = HOOK_SOCKET };

	bool egress = skb->pkt_type == PACKET_OUTGOING;

	if (egress ? !socket_egress : !socket_ingress)
		return 0;
	capture_skb(skb, &cursor, egress ? DIRECTION_EGRESS : DIRECTION_INGRESS,
		    egress ? SOCKET_EGRESS : SOCKET_INGRESS, link_layer);
	return 0; /* nothing is queued on the socket */
}

SEC("socket")
int socket_filter(struct __sk_buff *skb)
{
	return capture_socket(skb, true);
}

SEC("socket")
int socket_filter_l3(struct __sk_buff *skb)
{
	return capture_socket(skb, false);
}

/*
 * ------------------------------------------------------------ XDP, replay
 *
 * What is beside the bytes of an skb or in a descriptor of the card, XDP does
 * not see: a tag that was taken out, the segments of a super-packet.
 */

/* There is no protocol beside the bytes: the IP version has to tell. */
static __always_inline int ethertype_of_ip(const struct cursor *cursor)
{
	__u8 first[2];

	if (peek(cursor, first, sizeof(first)))
		return 0;
	switch (first[0] >> 4) {
	case 4:
		return ETH_P_IP;
	case 6:
		return ETH_P_IPV6;
	default:
		return 0;
	}
}

/* A replayed packet has the capture's time, length and kind of link. */
static __always_inline int start_replay(struct xdp_md *xdp, struct cursor *cursor,
					struct packet_event *event)
{
	const struct replay_meta *meta = (void *)(long)xdp->data_meta;
	int ethertype;

	if ((const void *)(meta + 1) > cursor->frame.data)
		return -1;
	event->timestamp_ns = meta->timestamp_ns;
	event->wire_length = meta->wire_length;
	if (meta->padding <= cursor->frame.captured)
		cursor->frame.captured -= meta->padding;
	if (meta->link == REPLAY_NO_LINK_LAYER)
		cursor->frame.length = meta->wire_length - meta->link_header + ETH_HLEN;
	else
		cursor->frame.length = meta->wire_length;
	if (cursor->frame.length < cursor->frame.captured)
		cursor->frame.length = cursor->frame.captured;
	cursor->at->end = cursor->frame.length;

	ethertype = parse_ethernet(cursor, event);
	if (meta->link == REPLAY_NO_LINK_LAYER)
		forget_ethernet(event);
	return ethertype;
}

static __always_inline int capture_xdp(struct xdp_md *xdp, bool link_layer)
{
	struct cursor cursor = {
		.frame.context = xdp,
		.frame.hook = HOOK_XDP,
		.frame.data = (void *)(long)xdp->data,
		.frame.data_end = (void *)(long)xdp->data_end,
	};
	struct packet_event *event;
	__u32 length;
	int ethertype;

	if (use_xdp_load_bytes)
		length = bpf_xdp_get_buff_len(xdp);
	else
		length = cursor.frame.data_end - cursor.frame.data;
	event = start(&cursor, length);
	if (!event)
		return XDP_PASS;

	event->segments = 1;
	event->key.hook = HOOK_XDP;
	if (replay) {
		ethertype = start_replay(xdp, &cursor, event);
	} else {
		event->timestamp_ns = bpf_ktime_get_boot_ns();
		event->wire_length = length;
		event->key.ifindex = xdp->ingress_ifindex;
		event->key.direction = DIRECTION_INGRESS;
		ethertype = link_layer ? parse_ethernet(&cursor, event) :
					 ethertype_of_ip(&cursor);
	}
	if (ethertype >= 0)
		parse_network(&cursor, event, ethertype);
	finish(event, XDP_INGRESS);
	return XDP_PASS;
}

SEC("xdp")
int xdp_ingress(struct xdp_md *xdp)
{
	return capture_xdp(xdp, true);
}

SEC("xdp")
int xdp_ingress_l3(struct xdp_md *xdp)
{
	return capture_xdp(xdp, false);
}

char LICENSE[] SEC("license") = "GPL";
