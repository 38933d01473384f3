//! The kinds of alerts. Made up after the rules that platform teams run; how
//! often each fires and how often a person is needed is measured.

use super::figures::CATEGORIES;

/// What an alert is about; decides its labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A pod, as kube-state-metrics and the kubelet see it.
    Pod,
    /// A replica of a service, scraped itself.
    Replica,
    /// A handler of a service, over all replicas.
    Handler,
    /// A machine.
    Node,
    /// A file system of a machine.
    Disk,
    /// A database server.
    Database,
    /// A consumer group on a topic.
    Topic,
    /// A page that is probed from outside.
    Probe,
    /// A volume of a stateful set.
    Volume,
    /// A scheduled job.
    Batch,
}

/// How a kind behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habit {
    /// Fires on several targets at a time, until it is over.
    Bursts,
    /// Fires and resolves on one target, again and again, before it stays.
    Flaps,
    /// Fires in bursts, and nobody ever acts on it.
    Ignored,
}

/// A kind of alert.
pub(super) struct Kind {
    /// Its `alertname`.
    pub(super) name: &'static str,
    /// What it is about.
    pub(super) target: Target,
    /// How it behaves.
    pub(super) habit: Habit,
    /// The rule's expression.
    pub(super) expr: &'static str,
    /// Annotation; `{subject}` is what it is about.
    pub(super) summary: &'static str,
    /// Annotation; also has `{value}`.
    pub(super) description: &'static str,
    /// Smallest and largest value while it fires; whole numbers where the
    /// smallest is one.
    pub(super) values: (f64, f64),
}

use Habit::{Bursts, Flaps, Ignored};
use Target::{Batch, Database, Disk, Handler, Node, Pod, Probe, Replica, Topic, Volume};

/// One kind for each of [`CATEGORIES`], in their order.
#[rustfmt::skip]
pub(super) const KINDS: [Kind; CATEGORIES.len()] = [
    Kind { name: "CPUThrottlingHigh", target: Pod, habit: Bursts, values: (26.0, 88.0),
        expr: "sum by (pod) (increase(container_cpu_cfs_throttled_periods_total[5m])) / sum by (pod) (increase(container_cpu_cfs_periods_total[5m])) > 0.25",
        summary: "Processes of {subject} are held back",
        description: "{value} % of the CPU periods of {subject} were throttled over the last 15 minutes." },
    Kind { name: "HighRequestLatency", target: Handler, habit: Bursts, values: (0.6, 4.8),
        expr: "histogram_quantile(0.99, sum by (le, service, handler) (rate(http_request_duration_seconds_bucket[5m]))) > 0.5",
        summary: "Requests to {subject} are slow",
        description: "One request in a hundred to {subject} takes longer than {value} s." },
    Kind { name: "KubePodNotReady", target: Pod, habit: Bursts, values: (15.0, 45.0),
        expr: "sum by (namespace, pod) (kube_pod_status_phase{phase=~\"Pending|Unknown\"}) > 0",
        summary: "Pod {subject} is not ready",
        description: "Pod {subject} has not been ready for {value} minutes." },
    Kind { name: "KafkaConsumerLagHigh", target: Topic, habit: Flaps, values: (10_500.0, 480_000.0),
        expr: "sum by (consumergroup, topic) (kafka_consumergroup_lag) > 10000",
        summary: "Consumers of {subject} fall behind",
        description: "{subject} is {value} messages behind." },
    Kind { name: "NodeCPUHigh", target: Node, habit: Flaps, values: (90.0, 100.0),
        expr: "100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{mode=\"idle\"}[5m]))) > 90",
        summary: "{subject} is busy",
        description: "CPU use of {subject} is {value} %." },
    Kind { name: "HighErrorRate", target: Handler, habit: Bursts, values: (2.0, 61.0),
        expr: "sum by (service, handler) (rate(http_requests_total{code=~\"5..\"}[5m])) / sum by (service, handler) (rate(http_requests_total[5m])) > 0.02",
        summary: "Requests to {subject} fail",
        description: "{value} % of the requests to {subject} are answered with a server error." },
    Kind { name: "TargetDown", target: Replica, habit: Bursts, values: (11.0, 100.0),
        expr: "100 * (count by (job, service) (up == 0) / count by (job, service) (up)) > 10",
        summary: "{subject} can't be scraped",
        description: "{value} % of the targets beside {subject} are down." },
    Kind { name: "NodeFilesystemSpaceFillingUp", target: Disk, habit: Bursts, values: (3.0, 15.0),
        expr: "node_filesystem_avail_bytes / node_filesystem_size_bytes < 0.15 and predict_linear(node_filesystem_avail_bytes[6h], 24*60*60) < 0",
        summary: "{subject} fills up within a day",
        description: "{value} % of {subject} are left, and it is filling up." },
    Kind { name: "KubePodCrashLooping", target: Pod, habit: Flaps, values: (2.0, 19.0),
        expr: "max_over_time(kube_pod_container_status_waiting_reason{reason=\"CrashLoopBackOff\"}[5m]) >= 1",
        summary: "Pod {subject} is crash looping",
        description: "Pod {subject} has restarted {value} times within 10 minutes." },
    Kind { name: "PostgresReplicationLag", target: Database, habit: Bursts, values: (31.0, 900.0),
        expr: "pg_replication_lag_seconds > 30",
        summary: "Replica {subject} lags",
        description: "{subject} is {value} s behind its primary." },
    Kind { name: "EndpointProbeFailed", target: Probe, habit: Bursts, values: (2.0, 12.0),
        expr: "probe_success == 0",
        summary: "{subject} does not answer",
        description: "The last {value} probes of {subject} failed." },
    Kind { name: "ContainerMemoryNearLimit", target: Pod, habit: Bursts, values: (90.0, 100.0),
        expr: "100 * container_memory_working_set_bytes / container_spec_memory_limit_bytes > 90",
        summary: "{subject} is close to its memory limit",
        description: "{subject} uses {value} % of its memory limit." },
    Kind { name: "KubePersistentVolumeFillingUp", target: Volume, habit: Bursts, values: (0.4, 3.0),
        expr: "kubelet_volume_stats_available_bytes / kubelet_volume_stats_capacity_bytes < 0.03",
        summary: "Volume {subject} is nearly full",
        description: "Only {value} % of volume {subject} are free." },
    Kind { name: "PostgresConnectionsHigh", target: Database, habit: Bursts, values: (85.0, 100.0),
        expr: "100 * sum by (instance) (pg_stat_activity_count) / pg_settings_max_connections > 85",
        summary: "{subject} runs out of connections",
        description: "{value} % of the connections of {subject} are in use." },
    Kind { name: "WorkerPoolSaturated", target: Replica, habit: Ignored, values: (90.0, 100.0),
        expr: "100 * worker_pool_busy / worker_pool_size > 90",
        summary: "The workers of {subject} are busy",
        description: "{value} % of the workers of {subject} are busy." },
    Kind { name: "NodeClockSkewDetected", target: Node, habit: Ignored, values: (0.05, 0.31),
        expr: "abs(node_timex_offset_seconds) > 0.05",
        summary: "The clock of {subject} is off",
        description: "The clock of {subject} is off by {value} s." },
    Kind { name: "KubeJobFailed", target: Batch, habit: Bursts, values: (1.0, 6.0),
        expr: "kube_job_failed > 0",
        summary: "Job {subject} failed",
        description: "Job {subject} failed after {value} attempts." },
    Kind { name: "NodeNetworkReceiveErrs", target: Node, habit: Flaps, values: (11.0, 390.0),
        expr: "rate(node_network_receive_errs_total[2m]) > 10",
        summary: "{subject} receives damaged packets",
        description: "{subject} reports {value} receive errors a second." },
    Kind { name: "ContainerOOMKilled", target: Pod, habit: Bursts, values: (1.0, 5.0),
        expr: "increase(kube_pod_container_status_terminated_reason{reason=\"OOMKilled\"}[10m]) > 0",
        summary: "{subject} was killed for lack of memory",
        description: "{subject} was killed {value} times within 10 minutes." },
    Kind { name: "CacheHitRateLow", target: Replica, habit: Bursts, values: (12.0, 60.0),
        expr: "100 * rate(cache_hits_total[5m]) / rate(cache_requests_total[5m]) < 60",
        summary: "The cache of {subject} misses",
        description: "Only {value} % of the look-ups at {subject} hit the cache." },
    Kind { name: "CoreDNSErrorsHigh", target: Node, habit: Bursts, values: (1.0, 35.0),
        expr: "100 * sum by (instance) (rate(coredns_dns_responses_total{rcode=\"SERVFAIL\"}[5m])) / sum by (instance) (rate(coredns_dns_responses_total[5m])) > 1",
        summary: "Name look-ups fail on {subject}",
        description: "{value} % of the name look-ups on {subject} fail." },
    Kind { name: "GarbageCollectionSlow", target: Replica, habit: Bursts, values: (10.0, 44.0),
        expr: "100 * rate(jvm_gc_collection_seconds_sum[5m]) > 10",
        summary: "{subject} spends its time on garbage collection",
        description: "{subject} spends {value} % of its time on garbage collection." },
    Kind { name: "CertificateExpiresSoon", target: Probe, habit: Bursts, values: (0.5, 14.0),
        expr: "(probe_ssl_earliest_cert_expiry - time()) / 86400 < 14",
        summary: "The certificate of {subject} expires soon",
        description: "The certificate of {subject} expires in {value} days." },
    Kind { name: "PostgresDeadlocks", target: Database, habit: Flaps, values: (5.0, 70.0),
        expr: "increase(pg_stat_database_deadlocks[10m]) > 5",
        summary: "Transactions block each other on {subject}",
        description: "{value} deadlocks on {subject} within 10 minutes." },
    Kind { name: "PostgresBackupOverdue", target: Database, habit: Bursts, values: (26.0, 50.0),
        expr: "(time() - pg_backup_last_success_timestamp_seconds) / 3600 > 26",
        summary: "{subject} has no fresh backup",
        description: "The last backup of {subject} is {value} hours old." },
    Kind { name: "KafkaUnderReplicatedPartitions", target: Topic, habit: Bursts, values: (1.0, 24.0),
        expr: "kafka_topic_partition_under_replicated_partition > 0",
        summary: "{subject} is short of replicas",
        description: "{value} partitions of {subject} are under-replicated." },
    Kind { name: "NodeDiskErrors", target: Disk, habit: Bursts, values: (1.0, 88.0),
        expr: "increase(node_disk_io_errors_total[10m]) > 0",
        summary: "The disk behind {subject} fails",
        description: "{value} errors on {subject} within 10 minutes." },
    Kind { name: "DeadLettersGrowing", target: Topic, habit: Bursts, values: (10.0, 2_500.0),
        expr: "increase(dead_letters_total[10m]) > 10",
        summary: "Messages of {subject} can't be processed",
        description: "{value} messages of {subject} were set aside within 10 minutes." },
];

/// What brings others down: a storm starts with one of these, a tenant's own.
#[rustfmt::skip]
pub(super) const STORM_CAUSES: [Kind; 3] = [
    Kind { name: "PostgresPrimaryDown", target: Database, habit: Bursts, values: (1.0, 3.0),
        expr: "pg_up{role=\"primary\"} == 0",
        summary: "Primary {subject} is down",
        description: "{subject} has not answered for {value} minutes." },
    Kind { name: "KafkaBrokerDown", target: Topic, habit: Bursts, values: (1.0, 3.0),
        expr: "kafka_brokers < 3",
        summary: "The broker that leads {subject} is down",
        description: "{value} of 3 brokers are gone; {subject} has no leader." },
    Kind { name: "NodeNetworkUnreachable", target: Node, habit: Bursts, values: (12.0, 40.0),
        expr: "count by (cluster) (up{job=\"node-exporter\"} == 0) > 10",
        summary: "{subject} and its neighbours can't be reached",
        description: "{value} nodes beside {subject} can't be reached." },
];

/// What such a failure drags along, by name of [`KINDS`].
pub(super) const STORM_SYMPTOMS: [&str; 8] = [
    "HighErrorRate",
    "HighRequestLatency",
    "TargetDown",
    "KubePodNotReady",
    "KubePodCrashLooping",
    "EndpointProbeFailed",
    "KafkaConsumerLagHigh",
    "ContainerMemoryNearLimit",
];
