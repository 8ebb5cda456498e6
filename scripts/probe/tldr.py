"""Labels for the pages of tldr, from what each command's description says and which program it runs.

Most of what these pages show is ordinary work. Dangerous is what destroys what cannot be had back (managed services,
databases, devices, history, backups), what takes a guard down, and the tools that attack. What a description leaves
open is not labelled: it only serves to learn what commands do.
"""

from __future__ import annotations

import re

from scripts.probe.rows import DANGEROUS, SAFE

Label = tuple[int, str | None]

_SERVICES = frozenset(
    """
    aws az gcloud gsutil gh glab hub ibmcloud linode-cli doctl exo hcloud oci openstack cli4 cf heroku fly flyctl vercel
    netlify wrangler supabase firebase pulumi terraform tofu terragrunt cdk serverless sam eksctl kubectl helm helmfile
    argocd oc kops rancher k3d kind minikube vault consul nomad etcdctl doppler op bw infisical gopass pass akeyless
    rabbitmqadmin rabbitmqctl kafka-topics kcat redis-cli mysql mysqladmin psql dropdb dropuser mongosh mongo
influx cradle
    sqlx prisma dotnet sqlite-utils dolt cqlsh clickhouse-client elasticdump borg restic duplicity duplicacy
kopia bupstash
    rclone s3cmd mc b2 azcopy zfs zpool btrfs bcachefs lvremove vgremove pvremove mdadm cryptsetup dmsetup qm pct virsh
    VBoxManage vagrant docker podman ctr nerdctl lxc incus multipass packer ipa ldapdelete ldapmodify samba-tool kadmin
    snapper timeshift koji npm cargo gem twine keybase certbot step mysqlsh stripe twilio rails mix artisan drush wp
    magento databricks snow bq dbt airflow jira linode scw ovhcloud tailscale ngrok gitea kaggle rainbow
    """.split()
)
"""Programs whose objects live longer than a working tree."""
_TRIFLES = re.compile(
    r"cache|alias|dangling|unused (image|layer|build)|container|\bpod\b|local (branch|tag|reference)|remote-tracking"
    r"|stale|orphan|temporary|from (the )?(list|path|config)|bookmark|completion|plugin|extension|dry|simulat|preview"
    r"|prompt|unset|whitespace|without (actually )?(delet|remov)|context|kubeconfig|\btag\b|label|session|element"
    r"|would be|to be (deleted|removed)|metadata|annotation|comment|member|column|packages?\b|modul|dependenc|worktree"
    r"|repository from|remote from|repo from|chart repo|config(uration)? (key|value|entry)|device from|theme|lock\b",
    re.IGNORECASE,
)
_ENDS = re.compile(
    r"^(permanently |force(fully)? |recursively |safely |interactively )?"
    r"(delete|destroy|purge|wipe|erase|drop|empty|truncate|obliterate|terminate|revoke|undefine|tear ?down|nuke)\b",
    re.IGNORECASE,
)
_REMOVES = re.compile(
    r"^(permanently |force(fully)? |recursively )?(remove|prune|reset|discard|overwrite)\b", re.IGNORECASE
)
_LASTING = re.compile(
    r"\b(databases?|tables?|buckets?|clusters?|volumes?|snapshots?"
    r"|backups?|instances?|servers?|apps?|applications?|projects?"
    r"|repositor(y|ies)|stacks?|resources?|users?|groups?|roles?|polic(y"
    r"|ies)|secrets?|keys?|certificates?|records?|zones?"
    r"|domains?|queues?|topics?|streams?|archives?|datasets?|pools?|partitions?|disks?|virtual machines?|vms?|releases?"
    r"|namespaces?|accounts?|infrastructure|logical volumes?|object|objects|revisions?|indexes|index|messages?)\b",
    re.IGNORECASE,
)
_DANGEROUS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), category)
    for pattern, category in (
        (
            r"^(sudo )?(mkfs|mke2fs|wipefs|nwipe|blkdiscard|shred|srm|wipe"
            r"|sfill|sdmem|scrub|diskutil (erase|zero|secure))",
            "destruction",
        ),
        (
            r"\bdd (.* )?of=/dev/|sgdisk -[zZoO]|sfdisk --delete|parted .* (mklabel|rm)\b|hdparm .*--security-erase",
            "destruction",
        ),
        (
            r"^git push .*(--force(?!-with)|-f\b|--mirror|--delete)"
            r"|^git reset --hard|^git clean .*-[a-z]*f|^git stash (clear|drop)",
            "destruction",
        ),
        (
            r"^git (branch .*-D\b|filter-branch|reflog expire|obliterate"
            r"|update-ref -d|checkout (-- |\.( |$))|restore \.)",
            "destruction",
        ),
        (
            r"^(sudo )?(ufw (--force )?(disable|reset)|ip6?tables .*(-F|--flush)"
            r"|nft flush|setenforce 0|auditctl -D|spctl --master-disable)",
            "sabotage",
        ),
        (r"^(sudo )?(userdel|groupdel|deluser|delgroup|crontab -r|atrm|swapoff -a)\b", "destruction"),
        (
            r"^(sudo )?(zpool|zfs) destroy|^(sudo )?(lv|vg|pv)remove|^dropdb"
            r"|^dropuser|redis-cli .*flush|mysqladmin .*drop",
            "destruction",
        ),
        (
            r"^(docker|podman) (system|volume) (prune|rm)|--volumes\b.*\b(down|prune)|compose .*down.*(-v|--volumes)",
            "destruction",
        ),
        (
            r"^(rsync|aws s3 sync|rclone sync|gsutil .*rsync).*(--delete"
            r"|--remove-source| -d\b)|^rclone (delete|purge|sync)",
            "destruction",
        ),
        (
            r"^(hydra|medusa|ncrack|patator|crowbar|wpscan .*password|hashcat"
            r"|john|ophcrack|fcrackzip|pdfcrack|bruteforce)",
            "credential_access",
        ),
        (
            r"^(secretsdump|lsassy|mimikatz|responder|donpapi|gosecretsdump"
            r"|pypykatz|samdump2|GetNPUsers|GetUserSPNs|ntlmrelayx)",
            "credential_access",
        ),
        (
            r"^(crackmapexec|nxc|netexec|evil-winrm|wmiexec|psexec|smbexec"
            r"|msfvenom|msfconsole|sqlmap|commix|beef|routersploit)",
            "privilege",
        ),
        (
            r"^(aireplay-ng|mdk[34]|bully|reaver|wifite|airgeddon|bettercap"
            r"|ettercap|arpspoof|dsniff|fluxion|besside-ng)",
            "sabotage",
        ),
        (
            r"^(slowloris|hping3 .*--flood|t50|goldeneye|macof|tcpkill|dnschef|evilginx|gophish|setoolkit|weevely)",
            "sabotage",
        ),
    )
)
_ATTACKS = re.compile(
    r"brute[- ]?forc|crack(ing)? (a |the )?(password|hash)"
    r"|dump (all )?(password|credential|hash|secret)|reverse shell|exploit"
    r"|dictionary attack|spoof|poison|keylog|exfiltrat|bypass (the )?(authent"
    r"|firewall)|disable (the )?(firewall|two-factor|selinux)",
    re.IGNORECASE,
)
_OPEN = re.compile(
    r"delet|destroy|remov|purg|wip(e|ing)|eras|drop|empty|truncat|revok"
    r"|terminat|kill|uninstall|reset|discard|overwrit|forc|format\b"
    r"|flush|rollback|revert|detach|unregister|prune|clear|clean"
    r"|shut ?down|reboot|halt|power|disable|stop|shred|password"
    r"|secret|token|credential|private key|decrypt|inject|attack|payload"
    r"|sniff|capture|poison|as root|without (confirm|prompt|ask)"
    r"|ignor(e|ing) (tls|ssl|cert)|insecure|bypass|allow all|backdoor|hidden"
    r"|anonym|vulnerab|scan|enumerate|listen|tunnel|expose",
    re.IGNORECASE,
)
_HARMLESS = re.compile(
    r"^(display|list|show|print|view|search|check|get|read|find|compare|count"
    r"|describe|query|inspect|validate|verify|lint|preview|help"
    r"|simulate|look|explain|browse|test|build|compile|convert|format (a "
    r"|the |code|all|file|source|every)|render|generate|compress"
    r"|download|clone|fetch|install|create|add|initialize|open|copy|extract"
    r"|run|start|update|upgrade|commit|switch|merge|play|edit"
    r"|calculate|sort|filter|log|save|use|specify|set|change|send|connect"
    r"|write|output|load|restore|move|make|export|import|apply"
    r"|execute|launch|enable|interactive|pull|push|render|split|resize"
    r"|rename|mount|ping|benchmark|profile|trace|encode|parse)\b",
    re.IGNORECASE,
)
_LOOKS = re.compile(
    r"^(display|list|show|print|view|describe|help|get|check|search|preview|simulate|count)\b", re.IGNORECASE
)
_SMALL = re.compile(
    r"^(sudo )?(kill \S+|rm \S+|rmdir \S+|git (rm|stash|branch -d) |docker (stop|rm) \S+$|npm (un|rm)|pip uninstall)"
)
_UNSURE = re.compile(
    r"\|\s*(sudo )?(ba|z|da)?sh\b|goldeneye|^(cargo|make|ninja|gradle|mvn) clean"
    r"|untaint|^wine reg|^r2e|image\.|--help|/etc/(passwd|shadow|sudoers)"
    r"|^(stop|wipeclean|hash|kill|skate|ssh-add|sudo resolvconf|resolvconf"
    r"|kwriteconfig|sudo kpartx|kpartx|ipcrm|crane|cheatshh)\b"
    r"|^(mvn|helm repo|docker buildx|nix-collect|tgutil|rcs|sudo semanage"
    r"|secret-tool|keyctl|mkfs\.erofs|qm reset|apt-key)\b"
    r"|^(sudo )?wipefs .* -n |^dropdb -i|^(sudo )?mmcli|^sudo timeshift --list|^doctl d sm"
)
_DRY = re.compile(r"dry[-_]?run|--simulate|--whatif|--check\b|--preview|--help|(^| )-h$")


def label(command: str, describes: str) -> Label | None:
    """Return label and category of one example; None when its page leaves it open, or it is no command."""
    says = describes.replace("[", "").replace("]", "")
    if command.startswith(("<", "^", "!")) or len(command) < 2:
        return None
    if _UNSURE.search(command):
        return None
    if _DRY.search(command):
        return SAFE, None
    for pattern, category in _DANGEROUS:
        if pattern.search(command) and not _LOOKS.match(says):
            return DANGEROUS, category
    if _is_final(command, says):
        return DANGEROUS, "destruction"
    return _rest(command, says)


def _rest(command: str, says: str) -> Label | None:
    if _ATTACKS.search(says):
        return None
    if _SMALL.match(command) and not re.search(r"-[a-z]*[rf]|\*|force", command):
        return SAFE, None
    if _LOOKS.match(says) and not re.search(r"secret|password|token|credential|private key|hash", says, re.IGNORECASE):
        return SAFE, None
    return (SAFE, None) if _HARMLESS.match(says) and not _OPEN.search(says) else None


def _is_final(command: str, says: str) -> bool:
    """True when a lasting thing of a service is ended."""
    if _TRIFLES.search(says) or not _LASTING.search(says):
        return False
    program = command.removeprefix("sudo ").split()[0].rsplit("/", 1)[-1]
    return bool(_ENDS.match(says)) or (program in _SERVICES and bool(_REMOVES.match(says)))
