# SPDX-License-Identifier: Apache-2.0
"""The events of the topics. Generated from streamer/schema by `python -m streamer.schema`.

An object that a record does not have is there all the same, with nothing in it, so that
`packet.packet.tcp.flags` needs no question before it. A field that is absent is None, empty, or the
default the table of fields gives. Fields that are not known here are passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from streamer.consume.event import Event, ip_address

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

Within9223372036854775807 = Annotated[int, Meta(ge=-9223372036854775807, le=9223372036854775807)]
UpTo3 = Annotated[int, Meta(ge=0, le=3)]
UpTo63 = Annotated[int, Meta(ge=0, le=63)]
UpTo255 = Annotated[int, Meta(ge=0, le=255)]
UpTo65535 = Annotated[int, Meta(ge=0, le=65535)]
UpTo4294967295 = Annotated[int, Meta(ge=0, le=4294967295)]
UpTo9007199254740991 = Annotated[int, Meta(ge=0, le=9007199254740991)]
UpTo9223372036854775807 = Annotated[int, Meta(ge=0, le=9223372036854775807)]


class PacketEvent(Struct, frozen=True, kw_only=True, gc=False):
    """`event` of packets.v1."""

    sequence: UpTo9007199254740991
    """Number of the record: 0, 1, 2 … without a gap per `agent.ephemeral_id` and topic. With
    `agent.id` and `agent.ephemeral_id` it identifies the record.
    """
    kind: str = "event"
    """What sort of record this is."""
    category: tuple[str, ...] = ("network",)
    """What the record is about."""
    module: str = "streamer"
    """The program."""
    dataset: str = "streamer.packet"
    """The topic's data set."""


class PacketAgent(Struct, frozen=True, kw_only=True, gc=False):
    """`agent` of packets.v1."""

    id: str
    """The installation, stable across restarts."""
    ephemeral_id: str
    """One run of one ring buffer; new at each start."""


class PacketHost(Struct, frozen=True, kw_only=True, gc=False):
    """`host` of packets.v1."""

    name: str | None = None
    """What `agent.host_name` says; absent if that is not set. Statistics always have it, by
    default the machine's name.
    """


class PacketNetworkVlan(Struct, frozen=True, kw_only=True, gc=False):
    """`network.vlan` of packets.v1."""

    id: str | None = None
    """VLAN of the outer tag."""


class PacketNetworkInnerVlan(Struct, frozen=True, kw_only=True, gc=False):
    """`network.inner.vlan` of packets.v1."""

    id: str | None = None
    """VLAN of the second tag (QinQ)."""


class PacketNetworkInner(Struct, frozen=True, kw_only=True, gc=False):
    """`network.inner` of packets.v1."""

    vlan: PacketNetworkInnerVlan = PacketNetworkInnerVlan()


class PacketNetwork(Struct, frozen=True, kw_only=True, gc=False):
    """`network` of packets.v1."""

    type: str | None = None
    """Protocol above the link. Absent for others than these. Known: ipv4, ipv6, arp."""
    transport: str | None = None
    """Protocol above IP, by its IANA keyword in lower case; absent where it has none here."""
    iana_number: str | None = None
    """Number of the protocol above IP, after the extension headers."""
    community_id: str | None = None
    """Community ID v1 of the flow, the same in both directions, and the record's Kafka key.
    Absent without IP.
    """
    direction: str | None = None
    """Seen by the host: coming in or going out. A capture file does not tell. Known: ingress,
    egress.
    """
    vlan: PacketNetworkVlan = PacketNetworkVlan()
    inner: PacketNetworkInner = PacketNetworkInner()


class PacketSource(Struct, frozen=True, kw_only=True, gc=False):
    """`source` of packets.v1."""

    ip: str | None = None
    """Sender's address; of ARP the protocol address. IPv6 as RFC 5952 writes it. Absent without
    IP or ARP.
    """
    port: UpTo65535 | None = None
    """Sender's port of TCP, UDP or SCTP. Later fragments have none."""
    mac: str | None = None
    """Sender's hardware address of the frame. Absent on links without one."""

    def __post_init__(self) -> None:
        if self.ip is not None:
            ip_address(self.ip)

    @property
    def address(self) -> IPv4Address | IPv6Address | None:
        """`ip` as an object."""
        return None if self.ip is None else ip_address(self.ip)


class PacketDestination(Struct, frozen=True, kw_only=True, gc=False):
    """`destination` of packets.v1."""

    ip: str | None = None
    """Receiver's address; of ARP the protocol address. IPv6 as RFC 5952 writes it. Absent
    without IP or ARP.
    """
    port: UpTo65535 | None = None
    """Receiver's port of TCP, UDP or SCTP. Later fragments have none."""
    mac: str | None = None
    """Receiver's hardware address of the frame. Absent on links without one."""

    def __post_init__(self) -> None:
        if self.ip is not None:
            ip_address(self.ip)

    @property
    def address(self) -> IPv4Address | IPv6Address | None:
        """`ip` as an object."""
        return None if self.ip is None else ip_address(self.ip)


class PacketObserverIngressInterface(Struct, frozen=True, kw_only=True, gc=False):
    """`observer.ingress.interface` of packets.v1."""

    name: str | None = None
    """Interface through which the packet came in."""


class PacketObserverIngress(Struct, frozen=True, kw_only=True, gc=False):
    """`observer.ingress` of packets.v1."""

    interface: PacketObserverIngressInterface = PacketObserverIngressInterface()


class PacketObserverEgressInterface(Struct, frozen=True, kw_only=True, gc=False):
    """`observer.egress.interface` of packets.v1."""

    name: str | None = None
    """Interface through which the packet went out."""


class PacketObserverEgress(Struct, frozen=True, kw_only=True, gc=False):
    """`observer.egress` of packets.v1."""

    interface: PacketObserverEgressInterface = PacketObserverEgressInterface()


class PacketObserver(Struct, frozen=True, kw_only=True, gc=False):
    """`observer` of packets.v1."""

    ingress: PacketObserverIngress = PacketObserverIngress()
    egress: PacketObserverEgress = PacketObserverEgress()


class PacketPacketFragment(Struct, frozen=True, kw_only=True, gc=False):
    """`packet.fragment` of packets.v1."""

    offset: UpTo65535 | None = None
    """Place of the fragment in the packet, in bytes. Only fragments have it."""
    more: bool | None = None
    """More fragments follow. Only fragments have it."""


class PacketPacketTcp(Struct, frozen=True, kw_only=True, gc=False):
    """`packet.tcp` of packets.v1."""

    flags: tuple[str, ...] = ()
    """TCP flags that are set. Known: fin, syn, rst, psh, ack, urg, ece, cwr, ae."""
    seq: UpTo4294967295 | None = None
    """TCP sequence number."""
    ack: UpTo4294967295 | None = None
    """TCP acknowledgement number; absent without the ACK flag."""
    window: UpTo65535 | None = None
    """TCP window as sent, not scaled."""


class PacketPacketIcmp(Struct, frozen=True, kw_only=True, gc=False):
    """`packet.icmp` of packets.v1."""

    type: UpTo255 | None = None
    """ICMP or ICMPv6 type."""
    code: UpTo255 | None = None
    """ICMP or ICMPv6 code."""


class PacketPacket(Struct, frozen=True, kw_only=True, gc=False):
    """`packet` of packets.v1."""

    hook: str
    """Where in the kernel the packet was seen. Known: tc, xdp, socket."""
    ethertype: str | None = None
    """EtherType after the tags, where it is none of `network.type`."""
    length: UpTo4294967295
    """Bytes on the wire, VLAN tags and the headers of every segment included."""
    ttl: UpTo255 | None = None
    """Time to live, or hop limit."""
    dscp: UpTo63 = 0
    """Differentiated services code point."""
    ecn: UpTo3 = 0
    """Explicit congestion notification bits."""
    id: UpTo4294967295 | None = None
    """Identification of IPv4, or of the IPv6 fragment header."""
    payload_length: UpTo4294967295 | None = None
    """Bytes after the transport header, as the headers say; of a later fragment all after the IP
    headers.
    """
    segments: UpTo65535 = 1
    """Packets on the wire that this one stands for (segmentation offload)."""
    parse: tuple[str, ...] = ()
    """What makes the packet unusual, or why its fields end early. Absent: nothing. Known:
    truncated, fragment, ip_options, ipv6_extensions, unknown_ethertype, vlan_depth,
    extension_depth, bad_ip_header, bad_ip_length, bad_transport_header, unknown_arp.
    """
    fragment: PacketPacketFragment = PacketPacketFragment()
    tcp: PacketPacketTcp = PacketPacketTcp()
    icmp: PacketPacketIcmp = PacketPacketIcmp()


class PacketEcs(Struct, frozen=True, kw_only=True, gc=False):
    """`ecs` of packets.v1."""

    version: str = "9.4.0"
    """Version of the Elastic Common Schema the names are from."""


class Packet(Event, frozen=True, kw_only=True, gc=False):
    """One record for each packet that a hook saw. (`packets.v1`)"""

    event: PacketEvent
    agent: PacketAgent
    host: PacketHost = PacketHost()
    network: PacketNetwork = PacketNetwork()
    source: PacketSource = PacketSource()
    destination: PacketDestination = PacketDestination()
    observer: PacketObserver = PacketObserver()
    packet: PacketPacket
    ecs: PacketEcs = PacketEcs()


class StatsEvent(Struct, frozen=True, kw_only=True, gc=False):
    """`event` of stats.v1."""

    sequence: UpTo9007199254740991
    """Number of the record: 0, 1, 2 … without a gap per `agent.ephemeral_id` and topic. With
    `agent.id` and `agent.ephemeral_id` it identifies the record.
    """
    kind: str = "metric"
    """What sort of record this is."""
    module: str = "streamer"
    """The program."""
    dataset: str = "streamer.stats"
    """The topic's data set."""


class StatsAgent(Struct, frozen=True, kw_only=True, gc=False):
    """`agent` of stats.v1."""

    id: str
    """The installation, stable across restarts."""
    ephemeral_id: str
    """One run of one ring buffer; new at each start."""


class StatsHost(Struct, frozen=True, kw_only=True, gc=False):
    """`host` of stats.v1."""

    name: str | None = None
    """What `agent.host_name` says; absent if that is not set. Statistics always have it, by
    default the machine's name.
    """


class StatsLedgerPacketsFiltered(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.packets.filtered` of stats.v1."""

    self: UpTo9223372036854775807
    """Of streamer's own connections, left out by all hooks together."""


class StatsLedgerPacketsDropped(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.packets.dropped` of stats.v1."""

    ring_full: UpTo9223372036854775807
    """Lost because the ring was full by all hooks together."""


class StatsLedgerPacketsHooksTcIngressFiltered(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.packets.hooks.tc.ingress.filtered` of stats.v1."""

    self: UpTo9223372036854775807
    """Of streamer's own connections, left out at tc ingress."""


class StatsLedgerPacketsHooksTcIngressDropped(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.packets.hooks.tc.ingress.dropped` of stats.v1."""

    ring_full: UpTo9223372036854775807
    """Lost because the ring was full at tc ingress."""


class StatsLedgerPacketsHooksTcIngress(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.packets.hooks.tc.ingress` of stats.v1."""

    seen: UpTo9223372036854775807
    """Packets seen at tc ingress."""
    segments: UpTo9223372036854775807
    """Wire segments those packets stood for at tc ingress."""
    emitted: UpTo9223372036854775807
    """Put into the ring at tc ingress."""
    unaccounted: Within9223372036854775807
    """Seen less every counted fate at tc ingress; below zero: a fate without a packet."""
    filtered: StatsLedgerPacketsHooksTcIngressFiltered
    dropped: StatsLedgerPacketsHooksTcIngressDropped


class StatsLedgerPacketsHooksTcEgressFiltered(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.packets.hooks.tc.egress.filtered` of stats.v1."""

    self: UpTo9223372036854775807
    """Of streamer's own connections, left out at tc egress."""


class StatsLedgerPacketsHooksTcEgressDropped(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.packets.hooks.tc.egress.dropped` of stats.v1."""

    ring_full: UpTo9223372036854775807
    """Lost because the ring was full at tc egress."""


class StatsLedgerPacketsHooksTcEgress(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.packets.hooks.tc.egress` of stats.v1."""

    seen: UpTo9223372036854775807
    """Packets seen at tc egress."""
    segments: UpTo9223372036854775807
    """Wire segments those packets stood for at tc egress."""
    emitted: UpTo9223372036854775807
    """Put into the ring at tc egress."""
    unaccounted: Within9223372036854775807
    """Seen less every counted fate at tc egress; below zero: a fate without a packet."""
    filtered: StatsLedgerPacketsHooksTcEgressFiltered
    dropped: StatsLedgerPacketsHooksTcEgressDropped


class StatsLedgerPacketsHooksTc(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.packets.hooks.tc` of stats.v1."""

    ingress: StatsLedgerPacketsHooksTcIngress
    egress: StatsLedgerPacketsHooksTcEgress


class StatsLedgerPacketsHooksXdpIngressFiltered(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.packets.hooks.xdp.ingress.filtered` of stats.v1."""

    self: UpTo9223372036854775807
    """Of streamer's own connections, left out at xdp ingress."""


class StatsLedgerPacketsHooksXdpIngressDropped(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.packets.hooks.xdp.ingress.dropped` of stats.v1."""

    ring_full: UpTo9223372036854775807
    """Lost because the ring was full at xdp ingress."""


class StatsLedgerPacketsHooksXdpIngress(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.packets.hooks.xdp.ingress` of stats.v1."""

    seen: UpTo9223372036854775807
    """Packets seen at xdp ingress."""
    segments: UpTo9223372036854775807
    """Wire segments those packets stood for at xdp ingress."""
    emitted: UpTo9223372036854775807
    """Put into the ring at xdp ingress."""
    unaccounted: Within9223372036854775807
    """Seen less every counted fate at xdp ingress; below zero: a fate without a packet."""
    filtered: StatsLedgerPacketsHooksXdpIngressFiltered
    dropped: StatsLedgerPacketsHooksXdpIngressDropped


class StatsLedgerPacketsHooksXdp(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.packets.hooks.xdp` of stats.v1."""

    ingress: StatsLedgerPacketsHooksXdpIngress


class StatsLedgerPacketsHooksSocketIngressFiltered(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.packets.hooks.socket.ingress.filtered` of stats.v1."""

    self: UpTo9223372036854775807
    """Of streamer's own connections, left out at socket ingress."""


class StatsLedgerPacketsHooksSocketIngressDropped(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.packets.hooks.socket.ingress.dropped` of stats.v1."""

    ring_full: UpTo9223372036854775807
    """Lost because the ring was full at socket ingress."""


class StatsLedgerPacketsHooksSocketIngress(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.packets.hooks.socket.ingress` of stats.v1."""

    seen: UpTo9223372036854775807
    """Packets seen at socket ingress."""
    segments: UpTo9223372036854775807
    """Wire segments those packets stood for at socket ingress."""
    emitted: UpTo9223372036854775807
    """Put into the ring at socket ingress."""
    unaccounted: Within9223372036854775807
    """Seen less every counted fate at socket ingress; below zero: a fate without a packet."""
    filtered: StatsLedgerPacketsHooksSocketIngressFiltered
    dropped: StatsLedgerPacketsHooksSocketIngressDropped


class StatsLedgerPacketsHooksSocketEgressFiltered(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.packets.hooks.socket.egress.filtered` of stats.v1."""

    self: UpTo9223372036854775807
    """Of streamer's own connections, left out at socket egress."""


class StatsLedgerPacketsHooksSocketEgressDropped(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.packets.hooks.socket.egress.dropped` of stats.v1."""

    ring_full: UpTo9223372036854775807
    """Lost because the ring was full at socket egress."""


class StatsLedgerPacketsHooksSocketEgress(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.packets.hooks.socket.egress` of stats.v1."""

    seen: UpTo9223372036854775807
    """Packets seen at socket egress."""
    segments: UpTo9223372036854775807
    """Wire segments those packets stood for at socket egress."""
    emitted: UpTo9223372036854775807
    """Put into the ring at socket egress."""
    unaccounted: Within9223372036854775807
    """Seen less every counted fate at socket egress; below zero: a fate without a packet."""
    filtered: StatsLedgerPacketsHooksSocketEgressFiltered
    dropped: StatsLedgerPacketsHooksSocketEgressDropped


class StatsLedgerPacketsHooksSocket(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.packets.hooks.socket` of stats.v1."""

    ingress: StatsLedgerPacketsHooksSocketIngress
    egress: StatsLedgerPacketsHooksSocketEgress


class StatsLedgerPacketsHooks(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.packets.hooks` of stats.v1."""

    tc: StatsLedgerPacketsHooksTc
    xdp: StatsLedgerPacketsHooksXdp
    socket: StatsLedgerPacketsHooksSocket


class StatsLedgerPackets(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.packets` of stats.v1."""

    seen: UpTo9223372036854775807
    """Packets seen by all hooks together."""
    segments: UpTo9223372036854775807
    """Wire segments those packets stood for by all hooks together."""
    emitted: UpTo9223372036854775807
    """Put into the ring by all hooks together."""
    unaccounted: UpTo9223372036854775807
    """Packets whose fate is not known, all hooks together."""
    filtered: StatsLedgerPacketsFiltered
    dropped: StatsLedgerPacketsDropped
    hooks: StatsLedgerPacketsHooks


class StatsLedgerRecords(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.records` of stats.v1."""

    emitted: UpTo9223372036854775807
    """Records put into the ring, by the sequences of the CPUs."""
    in_ring: UpTo9223372036854775807
    """Records not yet drained."""
    drained: UpTo9223372036854775807
    """Records read from the ring."""
    rejected: dict[str, int]
    """Records that could not be read, by reason."""
    encoded: UpTo9223372036854775807
    """Records made into events."""
    open: UpTo9223372036854775807
    """Events in open batches."""
    sealed: UpTo9223372036854775807
    """Events in sealed batches that were not yet taken."""
    queued: UpTo9223372036854775807
    """Events that wait for their first request."""
    in_flight: UpTo9223372036854775807
    """Events sent and not yet acknowledged."""
    acknowledged: UpTo9223372036854775807
    """Events acknowledged by Kafka."""
    failed: dict[str, int]
    """Events given up, by reason."""
    unaccounted: UpTo9223372036854775807
    """Records missing, or too many, between two stages."""


class StatsLedgerPump(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.pump` of stats.v1."""

    sequence_gaps: UpTo9223372036854775807
    """Records missing by the sequences of the CPUs."""
    pauses: UpTo9223372036854775807
    """Times the pump waited for memory."""
    batches: UpTo9223372036854775807
    """Batches sealed."""
    raw_bytes: UpTo9223372036854775807
    """Bytes of those batches before compression."""
    sealed_bytes: UpTo9223372036854775807
    """Bytes of those batches."""
    cpu_ns: UpTo9223372036854775807
    """CPU time of the pump's thread."""


class StatsLedgerDelivery(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.delivery` of stats.v1."""

    queued_bytes: UpTo9223372036854775807
    """Bytes that wait for their first request."""
    in_flight_bytes: UpTo9223372036854775807
    """Bytes sent and not yet acknowledged."""
    acknowledged_bytes: UpTo9223372036854775807
    """Bytes acknowledged."""
    acknowledged_batches: UpTo9223372036854775807
    """Batches acknowledged."""
    retries: UpTo9223372036854775807
    """Requests sent again."""


class StatsLedgerRing(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger.ring` of stats.v1."""

    fill_bytes: UpTo9223372036854775807
    """Bytes in the ring."""
    size_bytes: UpTo9223372036854775807
    """Bytes the ring holds."""


class StatsLedger(Struct, frozen=True, kw_only=True, gc=False):
    """`ledger` of stats.v1."""

    lost: UpTo9223372036854775807
    """Events that will never arrive, for a counted reason."""
    undelivered: UpTo9223372036854775807
    """Events on their way."""
    unaccounted: UpTo9223372036854775807
    """Everything missing or too much; while running, a bound."""
    packets: StatsLedgerPackets
    records: StatsLedgerRecords
    pump: StatsLedgerPump
    delivery: StatsLedgerDelivery
    ring: StatsLedgerRing


class StatsEcs(Struct, frozen=True, kw_only=True, gc=False):
    """`ecs` of stats.v1."""

    version: str = "9.4.0"
    """Version of the Elastic Common Schema the names are from."""


class Stats(Event, frozen=True, kw_only=True, gc=False):
    """The ledger: what became of every packet and record, since the start of a run. (`stats.v1`)"""

    event: StatsEvent
    agent: StatsAgent
    host: StatsHost = StatsHost()
    ledger: StatsLedger
    ecs: StatsEcs = StatsEcs()
