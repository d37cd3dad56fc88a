# SPDX-License-Identifier: Apache-2.0
# cython: language_level=3, cdivision=True
"""One packet event as one JSON document.

    {"@timestamp":"…","event":{"sequence":…},"agent":{…},"host":{…},   constant but for two numbers
    "network":{…},"source":{…},"destination":{…},"observer":{…},       once per flow, cached
    "packet":{"hook":"tc",  "length":…,…}}                             once per packet
"""

import json

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from hotpath.event cimport (
    FRAGMENT_MORE,
    FRAGMENT_OFFSET_MASK,
    PARSE_FRAGMENT,
    PARSE_HAS_ID,
    PARSE_HAS_IP,
    PARSE_HAS_PAYLOAD,
    PARSE_HAS_TCP,
    packet_event,
)
from hotpath.flow_cache cimport FlowCache, FLOW_TEXT_CAPACITY, find_flow, flow_entry, flow_hash
from hotpath.flow_text cimport write_flow_text
from hotpath.interface_names cimport InterfaceNames
from hotpath.text cimport put, put_2_digits, put_4_digits, put_8_digits, put_u32, put_u64


cdef extern from *:
    """
    /* The longest varying parts, written out, as in flow_text.pyx. */
    #define HEAD_LONGEST \\
        "{'@timestamp':'2026-11-23T10:00:00.123456789Z','event':{'sequence':18446744073709551615"
    #define TAIL_LONGEST \\
        "'length':4294967295,'ttl':255,'dscp':63,'ecn':3,'id':4294967295," \\
        "'fragment':{'offset':65528,'more':false},'payload_length':4294967295," \\
        "'segments':65535,'parse':['truncated','fragment','ip_options'," \\
        "'ipv6_extensions','unknown_ethertype','vlan_depth','extension_depth'," \\
        "'bad_ip_header','bad_ip_length','bad_transport_header','unknown_arp']," \\
        "'tcp':{'flags':['fin','syn','rst','psh','ack','urg','ece','cwr','ae']," \\
        "'seq':4294967295,'ack':4294967295,'window':65535}}}"

    enum {
        /* Copied whole, so they may be written to behind what is left standing. */
        TCP_FLAGS_BYTES = 80,
        PARSE_FLAG_BYTES = 32,
        VARYING_BYTES = sizeof(HEAD_LONGEST) + sizeof(TAIL_LONGEST) + TCP_FLAGS_BYTES,
    };
    """
    enum: TCP_FLAGS_BYTES
    enum: PARSE_FLAG_BYTES
    enum: VARYING_BYTES


cdef enum:
    SHOWN_PARSE_FLAGS = 11  # the lowest bits
    TCP_FLAG_COMBINATIONS = 512
    TCP_ACK = 1 << 4
    NANOSECONDS = 1_000_000_000

cdef enum:
    MAX_CONSTANT_BYTES = MAX_DOCUMENT_BYTES - VARYING_BYTES - FLOW_TEXT_CAPACITY


cdef struct tcp_flags_text:
    char text[TCP_FLAGS_BYTES]  # "tcp":{"flags":[…],"seq":
    uint8_t length


cdef struct parse_flag_text:
    char text[PARSE_FLAG_BYTES]  # "…",
    uint8_t length


TCP_FLAG_NAMES = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ae")
PARSE_FLAG_NAMES = (
    "truncated",
    "fragment",
    "ip_options",
    "ipv6_extensions",
    "unknown_ethertype",
    "vlan_depth",
    "extension_depth",
    "bad_ip_header",
    "bad_ip_length",
    "bad_transport_header",
    "unknown_arp",
)
"""Names of the bits, from the lowest."""

ENCODER_MEMBERS = frozenset(
    "@timestamp event agent host network source destination observer packet".split()
)

cdef tcp_flags_text tcp_flags_texts[TCP_FLAG_COMBINATIONS]
cdef parse_flag_text parse_flag_texts[SHOWN_PARSE_FLAGS]


cdef fill_texts():
    cdef bytes text
    for flags in range(TCP_FLAG_COMBINATIONS):
        names = [name for bit, name in enumerate(TCP_FLAG_NAMES) if flags >> bit & 1]
        text = b'"tcp":{"flags":%s,"seq":' % compact(names).encode()
        assert len(text) <= TCP_FLAGS_BYTES
        memcpy(tcp_flags_texts[flags].text, <const char *>text, len(text))
        tcp_flags_texts[flags].length = len(text)
    assert len(PARSE_FLAG_NAMES) == SHOWN_PARSE_FLAGS
    for bit, name in enumerate(PARSE_FLAG_NAMES):
        text = b'"%s",' % name.encode()
        assert len(text) <= PARSE_FLAG_BYTES
        memcpy(parse_flag_texts[bit].text, <const char *>text, len(text))
        parse_flag_texts[bit].length = len(text)


cdef char *put_parse_flags(char *out, uint32_t flags) noexcept nogil:
    cdef uint32_t bit
    out = put(out, b',"parse":[')
    for bit in range(SHOWN_PARSE_FLAGS):
        if flags >> bit & 1:
            memcpy(out, parse_flag_texts[bit].text, PARSE_FLAG_BYTES)
            out += parse_flag_texts[bit].length
    out[-1] = b"]"
    return out


cdef char *put_fragment(char *out, uint32_t fragment) noexcept nogil:
    out = put_u32(put(out, b',"fragment":{"offset":'), (fragment & FRAGMENT_OFFSET_MASK) * 8)
    return put(out, b',"more":true}' if fragment & FRAGMENT_MORE else b',"more":false}')


cdef inline char *put_packet_members(char *out, const packet_event *event) noexcept nogil:
    """What varies inside "packet", and the ends of it and of the document."""
    cdef const tcp_flags_text *flags
    out = put_u32(put(out, b'"length":'), event.wire_length)
    if event.parse & PARSE_HAS_IP:
        out = put_u32(put(out, b',"ttl":'), event.ttl)
        if event.tos:
            if event.tos >> 2:
                out = put_u32(put(out, b',"dscp":'), event.tos >> 2)
            if event.tos & 3:
                out = put_u32(put(out, b',"ecn":'), event.tos & 3)
    if event.parse & PARSE_HAS_ID:
        out = put_u32(put(out, b',"id":'), event.ip_id)
    if event.parse & PARSE_FRAGMENT:
        out = put_fragment(out, event.fragment)
    if event.parse & PARSE_HAS_PAYLOAD:
        out = put_u32(put(out, b',"payload_length":'), event.payload_length)
    if event.segments != 1:
        out = put_u32(put(out, b',"segments":'), event.segments)
    if event.parse & ((1 << SHOWN_PARSE_FLAGS) - 1):
        out = put_parse_flags(out, event.parse)
    if not event.parse & PARSE_HAS_TCP:
        return put(out, b"}}")
    out[0] = b","
    out += 1
    flags = &tcp_flags_texts[event.tcp_flags & (TCP_FLAG_COMBINATIONS - 1)]
    memcpy(out, flags.text, TCP_FLAGS_BYTES)
    out = put_u32(out + flags.length, event.tcp_seq)
    if event.tcp_flags & TCP_ACK:
        out = put_u32(put(out, b',"ack":'), event.tcp_ack)
    return put(put_u32(put(out, b',"window":'), event.tcp_window), b"}}}")


cdef class EventEncoder:
    """Encodes packet events; what it keeps is bounded by `flow_cache_bytes`.

    `constants` and `event_constants` are JSON members to put into each document, at the top and
    inside "event". Not safe to use from two threads at once.
    """

    def __cinit__(
        self,
        *,
        agent_id: str,
        ephemeral_id: str,
        host_name: str | None = None,
        community_id_seed: int = 0,
        constants: bytes = b"",
        event_constants: bytes = b"",
        flow_cache_bytes: int = 4 * 1024 * 1024,
    ):
        if not 0 <= community_id_seed <= 0xFFFF:
            raise ValueError(f"Community ID seed: {community_id_seed}; it must be 0 to 65535")
        self.seed = community_id_seed
        self.flows = FlowCache(flow_cache_bytes)
        self.interfaces = InterfaceNames()
        top = members("constants", constants, ENCODER_MEMBERS)
        inner = members("event_constants", event_constants, {"sequence"})
        document = {"agent": {"id": agent_id, "ephemeral_id": ephemeral_id}}
        if host_name:
            document["host"] = {"name": host_name}
        text = "".join(
            [
                "," + compact(inner)[1:-1] if inner else "",
                "},",
                compact(document | top)[1:-1],
                ",",
            ]
        ).encode()
        if len(text) > MAX_CONSTANT_BYTES:
            raise ValueError(
                f"agent, host name and constants take {len(text)} bytes of each document; "
                f"at most {MAX_CONSTANT_BYTES} are possible"
            )
        self.constant_length = len(text)
        memcpy(self.constant_text, <const char *>text, len(text))
        self.start_second(0)

    def set_interface(self, ifindex: int, name: str | bytes) -> None:
        """Set the name of an interface; an empty name forgets it.

        A change forgets the cached flows, since their texts hold names.
        """
        if self.interfaces.set(ifindex, name):
            self.flows.forget_all()

    def encode(self, record: bytes, *, utc_offset_ns: int, sequence: int) -> bytes:
        """The document of one record."""
        cdef packet_event event
        cdef char out[MAX_DOCUMENT_BYTES]
        if len(record) != sizeof(packet_event):
            raise ValueError(f"a packet event has {sizeof(packet_event)} bytes, not {len(record)}")
        memcpy(&event, <const char *>record, sizeof(packet_event))
        return out[: self.encode_event(&event, utc_offset_ns, sequence, out)]

    def encode_lines(
        self,
        records,
        out,
        *,
        utc_offset_ns: int,
        first_sequence: int,
    ) -> int:
        """Write the documents of packed records, a line each, to `out`; returns the bytes written.

        `out` must have room for MAX_DOCUMENT_BYTES more than is written.
        """
        cdef const unsigned char[::1] source = records
        cdef unsigned char[::1] target = out
        cdef int64_t offset_ns = utc_offset_ns
        cdef uint64_t sequence = first_sequence
        cdef Py_ssize_t count = source.shape[0] // <Py_ssize_t>sizeof(packet_event)
        cdef Py_ssize_t i, written = 0, room = target.shape[0] - MAX_DOCUMENT_BYTES - 1
        cdef const packet_event *event
        cdef char *line
        cdef packet_event aligned
        if source.shape[0] != count * <Py_ssize_t>sizeof(packet_event):
            raise ValueError(f"{source.shape[0]} bytes are no whole number of records")
        if not count:
            return 0
        if room < 0:
            raise ValueError(f"{target.shape[0]} bytes are too few for a document")
        event = <const packet_event *>&source[0]
        line = <char *>&target[0]
        with nogil:
            for i in range(count):
                if written > room:
                    break
                memcpy(&aligned, event + i, sizeof(packet_event))
                written += self.encode_event(&aligned, offset_ns, sequence + i, line + written)
                line[written] = b"\n"
                written += 1
            else:
                i = count
        if i < count:
            raise ValueError(f"{target.shape[0]} bytes are too few for {count} documents")
        return written

    def record_key(self) -> tuple[bytes, int] | None:
        """The Kafka key of the event encoded last and its murmur2; None if it has no key."""
        if self.flow == NULL or not self.flow.key_length:
            return None
        return self.flow.key_text[: self.flow.key_length], self.flow.key_hash

    def cache_info(self):
        """Hits, misses, evictions; entries and bytes held now."""
        return self.flows.info()

    cdef Py_ssize_t encode_event(
        self, const packet_event *event, int64_t utc_offset_ns, uint64_t sequence, char *start
    ) noexcept nogil:
        """Write the document, at most MAX_DOCUMENT_BYTES; returns its length."""
        cdef uint32_t hash = flow_hash(&event.key, self.flows.table.secret)
        cdef flow_entry *flow = find_flow(&self.flows.table, &event.key, hash)
        # Times wrap as unsigned numbers do: nonsense stays nonsense, and defined.
        cdef int64_t utc_ns = <int64_t>(event.timestamp_ns + <uint64_t>utc_offset_ns)
        cdef uint64_t nanoseconds = <uint64_t>utc_ns - <uint64_t>self.second_start_ns
        cdef char *out = start
        if flow == NULL:
            flow = self.add_flow(event, hash)
        self.flow = flow
        if nanoseconds >= NANOSECONDS:
            self.start_second(utc_ns)
            nanoseconds = <uint64_t>utc_ns - <uint64_t>self.second_start_ns

        memcpy(out, self.second_text, SECOND_TEXT_BYTES)
        out += SECOND_TEXT_BYTES
        out[0] = <char>(48 + nanoseconds // 100_000_000)
        out = put_8_digits(out + 1, <uint32_t>(nanoseconds % 100_000_000))
        out = put_u64(put(out, b'Z","event":{"sequence":'), sequence)
        memcpy(out, self.constant_text, self.constant_length)
        out += self.constant_length
        memcpy(out, flow.text, flow.text_length)
        out += flow.text_length
        return put_packet_members(out, event) - start

    cdef flow_entry *add_flow(self, const packet_event *event, uint32_t hash) noexcept nogil:
        cdef flow_entry *flow = self.flows.add(&event.key, hash)
        write_flow_text(flow, self.interfaces.find(event.key.ifindex), self.seed)
        return flow

    cdef void start_second(self, int64_t utc_ns) noexcept nogil:
        """Write the date and time of day of the second this time is in."""
        # Floors, also before 1970; 64 bits of nanoseconds end in the year 2262.
        cdef int64_t second = utc_ns // NANOSECONDS - (utc_ns % NANOSECONDS < 0)
        cdef int64_t day = second // 86_400 - (second % 86_400 < 0)
        cdef uint32_t of_day = <uint32_t>(second - day * 86_400)
        cdef uint32_t era_day, era_year, year_day, month_index
        cdef uint32_t year, month
        cdef char *out = put(self.second_text, b'{"@timestamp":"')
        self.second_start_ns = <int64_t>(<uint64_t>second * <uint64_t>NANOSECONDS)
        # Years that begin in March: leap days are last. Day 0 is 1600-03-01, era one of 400 years.
        day += 135_080
        era_day = <uint32_t>(day % 146_097)
        era_year = (era_day - era_day // 1_460 + era_day // 36_524 - era_day // 146_096) // 365
        year_day = era_day - (365 * era_year + era_year // 4 - era_year // 100)
        month_index = (5 * year_day + 2) // 153
        month = month_index + 3 if month_index < 10 else month_index - 9
        year = 1600 + 400 * <uint32_t>(day // 146_097) + era_year + (month <= 2)
        out = put(put_4_digits(out, year), b"-")
        out = put(put_2_digits(out, month), b"-")
        out = put(put_2_digits(out, year_day - (153 * month_index + 2) // 5 + 1), b"T")
        out = put(put_2_digits(out, of_day // 3600), b":")
        out = put(put_2_digits(out, of_day // 60 % 60), b":")
        put(put_2_digits(out, of_day % 60), b".")


def compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def members(setting: str, text: bytes, taken) -> dict[str, object]:
    """The members written in a setting, none of which may be one that the encoder writes."""

    def unique(pairs):
        names = [name for name, _ in pairs]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{setting}: {name!r} is there twice")
        return dict(pairs)

    try:
        found = json.loads(b"{" + text + b"}", object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise ValueError(f"{setting}: not members of a JSON object: {error}") from None
    for name in found:
        if name in taken:
            raise ValueError(f"{setting}: {name!r} is written by the encoder itself")
    return found


fill_texts()
