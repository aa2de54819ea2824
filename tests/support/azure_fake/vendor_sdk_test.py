"""The vendor's own Python clients drive the fake: what they cannot do with it, a real program could not either.

    python vendor_sdk_test.py MODELS.json

Nobody of this project wrote the clients: their paging, polling, serialisation and error mapping are the check.
"""

import json
import sys
import time
import unittest
import urllib.request

from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.msi import ManagedServiceIdentityClient
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.resource.locks import ManagementLockClient
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.storage import StorageManagementClient

import identity_service
import server
import world as worlds

MODELS = sys.argv.pop(1) if len(sys.argv) > 1 else "models.json"
PLACE = "westeurope"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEDbPVexx3FVqfcbv5VSRpmj3v0o5xTBXgWcPPrMsvXY test"


class Bearer(SansIOHTTPPolicy):
    """The clients' own policy refuses to send a token without TLS; this one is for the loopback interface."""

    def __init__(self, fake):
        self.fake = fake

    def get_token(self, *_scopes, **_options):
        with self.fake.world.lock:
            return AccessToken(identity_service.issue(self.fake.world), int(time.time()) + 3600)

    def on_request(self, request):
        request.http_request.headers["Authorization"] = f"Bearer {self.get_token().token}"


class VendorSdk(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.fake = server.serve(MODELS)
        cls.base = f"http://127.0.0.1:{cls.fake.server_port}"
        common = {
            "credential": Bearer(cls.fake),
            "subscription_id": worlds.SUBSCRIPTION,
            "base_url": cls.base,
            "polling_interval": 0.02,
            "authentication_policy": Bearer(cls.fake),
            "retry_backoff_factor": 0.05,
        }
        cls.groups = ResourceManagementClient(**common)
        cls.network = NetworkManagementClient(**common)
        cls.compute = ComputeManagementClient(**common)
        cls.storage = StorageManagementClient(**common)
        cls.identity = ManagedServiceIdentityClient(**common)
        cls.roles = AuthorizationManagementClient(**common)
        cls.locks = ManagementLockClient(**common)

    def setUp(self):
        self.control("POST", "reset", None)
        self.groups.resource_groups.create_or_update("rg", {"location": PLACE, "tags": {"environment": "demo"}})

    def control(self, method, what, body=None):
        request = urllib.request.Request(f"{self.base}/_fake/{what}", method=method, data=json.dumps(body).encode())
        return json.load(urllib.request.urlopen(request))

    def resource(self, kind, name):
        return f"/subscriptions/{worlds.SUBSCRIPTION}/resourceGroups/rg/providers/{kind}/{name}"

    def refused(self, code, call, *arguments, **more):
        with self.assertRaises(HttpResponseError) as caught:
            answer = call(*arguments, **more)
            if hasattr(answer, "result"):
                answer.result()
        self.assertEqual(caught.exception.error.code if caught.exception.error else None, code, caught.exception)
        return caught.exception

    # --- pieces ------------------------------------------------------------------------------------------------

    def make_network(self):
        self.network.network_security_groups.begin_create_or_update("rg", "nsg", {"location": PLACE}).result()
        self.network.public_ip_addresses.begin_create_or_update(
            "rg", "nat-ip", {"location": PLACE, "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}
        ).result()
        self.network.nat_gateways.begin_create_or_update(
            "rg",
            "nat",
            {
                "location": PLACE,
                "sku": {"name": "Standard"},
                "properties": {"publicIpAddresses": [{"id": self.resource("Microsoft.Network/publicIPAddresses", "nat-ip")}]},
            },
        ).result()
        return self.network.virtual_networks.begin_create_or_update(
            "rg",
            "net",
            {
                "location": PLACE,
                "properties": {
                    "addressSpace": {"addressPrefixes": ["10.1.0.0/16"]},
                    "subnets": [
                        {
                            "name": "nodes",
                            "properties": {
                                "addressPrefix": "10.1.0.0/24",
                                "networkSecurityGroup": {"id": self.resource("Microsoft.Network/networkSecurityGroups", "nsg")},
                                "natGateway": {"id": self.resource("Microsoft.Network/natGateways", "nat")},
                            },
                        }
                    ],
                },
            },
        ).result()

    def interface(self, name, **wanted):
        subnet = self.resource("Microsoft.Network/virtualNetworks", "net/subnets/nodes")
        configuration = {"name": "main", "properties": {"subnet": {"id": subnet}, **wanted}}
        return {"location": PLACE, "properties": {"ipConfigurations": [configuration]}}

    def make_interface(self, name, **wanted):
        return self.network.network_interfaces.begin_create_or_update("rg", name, self.interface(name, **wanted)).result()

    def machine(self, nic, size="Standard_D2s_v3", zone="1", **more):
        return {
            "location": PLACE,
            "zones": [zone],
            "tags": {"environment": "demo"},
            "properties": {
                "hardwareProfile": {"vmSize": size},
                "storageProfile": {
                    "imageReference": {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"},
                    "osDisk": {"createOption": "FromImage", "deleteOption": "Delete", "name": f"{nic}-os"},
                },
                "osProfile": {
                    "computerName": nic,
                    "adminUsername": "refarch",
                    "linuxConfiguration": {
                        "disablePasswordAuthentication": True,
                        "ssh": {"publicKeys": [{"path": "/home/refarch/.ssh/authorized_keys", "keyData": KEY}]},
                    },
                },
                "networkProfile": {"networkInterfaces": [{"id": self.resource("Microsoft.Network/networkInterfaces", nic)}]},
                **more,
            },
        }

    def make_machine(self, name, **more):
        self.make_interface(name)
        return self.compute.virtual_machines.begin_create_or_update("rg", name, self.machine(name, **more)).result()

    # --- behaviour ---------------------------------------------------------------------------------------------

    def test_a_machine_comes_up_with_address_disk_and_power(self):
        self.make_network()
        made = self.make_machine("vm-1")
        self.assertEqual(made.provisioning_state, "Succeeded")
        view = self.compute.virtual_machines.instance_view("rg", "vm-1")
        self.assertEqual([status.code for status in view.statuses], ["ProvisioningState/succeeded", "PowerState/running"])
        nic = self.network.network_interfaces.get("rg", "vm-1")
        self.assertEqual(nic.ip_configurations[0].private_ip_address, "10.1.0.4")
        self.assertTrue(nic.virtual_machine.id.endswith("/virtualMachines/vm-1"))
        disk = self.compute.disks.get("rg", "vm-1-os")
        self.assertEqual(disk.disk_state, "Attached")
        self.assertTrue(disk.managed_by.endswith("/virtualMachines/vm-1"))
        self.assertIsNone(made.os_profile.custom_data)

    def test_ids_do_not_care_about_case(self):
        self.make_network()
        self.assertEqual(self.network.virtual_networks.get("RG", "NET").name, "net")

    def test_what_is_referred_to_must_be_there(self):
        self.refused("InvalidResourceReference", self.network.network_interfaces.begin_create_or_update, "rg", "n", self.interface("n"))
        self.refused("NotFound", self.compute.virtual_machines.begin_create_or_update, "rg", "vm", self.machine("nobody"))
        self.refused("ResourceGroupNotFound", self.network.network_security_groups.begin_create_or_update, "other", "n", {"location": PLACE})

    def test_what_is_in_use_stays(self):
        self.make_network()
        self.make_machine("vm-1")
        self.refused("NicInUse", self.network.network_interfaces.begin_delete, "rg", "vm-1")
        self.refused("InUseSubnetCannotBeDeleted", self.network.subnets.begin_delete, "rg", "net", "nodes")
        self.refused("InUseSubnetCannotBeDeleted", self.network.virtual_networks.begin_delete, "rg", "net")
        self.refused("InUseNetworkSecurityGroupCannotBeDeleted", self.network.network_security_groups.begin_delete, "rg", "nsg")
        self.refused("InUseNatGatewayCannotBeDeleted", self.network.nat_gateways.begin_delete, "rg", "nat")
        self.refused("PublicIPAddressCannotBeDeleted", self.network.public_ip_addresses.begin_delete, "rg", "nat-ip")
        self.refused("OperationNotAllowed", self.compute.disks.begin_delete, "rg", "vm-1-os")
        self.compute.virtual_machines.begin_delete("rg", "vm-1").result()
        self.network.network_interfaces.begin_delete("rg", "vm-1").result()
        self.network.virtual_networks.begin_delete("rg", "net").result()
        left = [one.name for one in self.groups.resources.list_by_resource_group("rg")]
        self.assertEqual(sorted(left), ["nat", "nat-ip", "nsg"])

    def test_a_machine_may_fail_after_it_was_accepted(self):
        self.make_network()
        self.make_interface("vm-1")
        error = {"code": "OSProvisioningTimedOut", "message": "OS Provisioning for VM 'vm-1' did not finish in the allotted time."}
        self.control("POST", "rules", [{"method": "PUT", "path": "*/virtualmachines/vm-1", "operation_error": error}])
        self.refused("OSProvisioningTimedOut", self.compute.virtual_machines.begin_create_or_update, "rg", "vm-1", self.machine("vm-1"))
        self.assertEqual(self.compute.virtual_machines.get("rg", "vm-1").provisioning_state, "Failed")
        again = self.compute.virtual_machines.begin_create_or_update("rg", "vm-1", self.machine("vm-1")).result()
        self.assertEqual(again.provisioning_state, "Succeeded")

    def test_a_machine_is_resized_only_while_it_is_deallocated(self):
        self.make_network()
        self.make_machine("vm-1")
        bigger = {"properties": {"hardwareProfile": {"vmSize": "Standard_D4s_v3"}}}
        self.refused("OperationNotAllowed", self.compute.virtual_machines.begin_update, "rg", "vm-1", bigger)
        self.compute.virtual_machines.begin_deallocate("rg", "vm-1").result()
        self.compute.virtual_machines.begin_update("rg", "vm-1", bigger).result()
        self.compute.virtual_machines.begin_start("rg", "vm-1").result()
        self.assertEqual(self.compute.virtual_machines.get("rg", "vm-1").hardware_profile.vm_size, "Standard_D4s_v3")
        view = self.compute.virtual_machines.instance_view("rg", "vm-1")
        self.assertEqual(view.statuses[1].code, "PowerState/running")
        self.refused("PropertyChangeNotAllowed", self.compute.virtual_machines.begin_create_or_update, "rg", "vm-1", self.machine("vm-1", "Standard_D4s_v3", "2"))

    def test_sizes_zones_and_quotas_are_held(self):
        self.make_network()
        self.make_interface("vm-1")
        put = self.compute.virtual_machines.begin_create_or_update
        self.control("PUT", "settings", {"restricted": {"Standard_D2s_v3": ["1"]}, "cores": 3})
        self.refused("SkuNotAvailable", put, "rg", "vm-1", self.machine("vm-1"))
        self.refused("InvalidParameter", put, "rg", "vm-1", self.machine("vm-1", "Standard_Nonsense"))
        self.refused("InvalidAvailabilityZone", put, "rg", "vm-1", self.machine("vm-1", zone="4"))
        put("rg", "vm-1", self.machine("vm-1", zone="2")).result()
        self.make_interface("vm-2")
        self.refused("OperationNotAllowed", put, "rg", "vm-2", self.machine("vm-2", zone="2"))
        sizes = {sku.name: sku for sku in self.compute.resource_skus.list(filter=f"location eq '{PLACE}'")}
        self.assertEqual(sizes["Standard_D2s_v3"].restrictions[0].restriction_info.zones, ["1"])
        usage = {use.name.value: use for use in self.compute.usage.list(PLACE)}
        self.assertEqual((usage["cores"].current_value, usage["cores"].limit), (2, 3))

    def test_a_data_disk_outlives_its_machine(self):
        self.make_network()
        disk = self.compute.disks.begin_create_or_update(
            "rg", "data", {"location": PLACE, "zones": ["1"], "sku": {"name": "Premium_LRS"}, "properties": {"diskSizeGB": 64, "creationData": {"createOption": "Empty"}}}
        ).result()
        self.make_interface("vm-1")
        wanted = self.machine("vm-1")
        wanted["properties"]["storageProfile"]["dataDisks"] = [{"lun": 0, "createOption": "Attach", "managedDisk": {"id": disk.id}}]
        other_zone = json.loads(json.dumps(wanted)) | {"zones": ["2"]}
        self.refused("BadRequest", self.compute.virtual_machines.begin_create_or_update, "rg", "vm-1", other_zone)
        self.compute.virtual_machines.begin_create_or_update("rg", "vm-1", wanted).result()
        self.compute.virtual_machines.begin_delete("rg", "vm-1").result()
        self.assertEqual([one.name for one in self.compute.disks.list_by_resource_group("rg")], ["data"])
        self.assertEqual(self.compute.disks.get("rg", "data").disk_state, "Unattached")

    def test_balancers_have_probes_and_pools_of_their_own(self):
        self.make_network()
        me = self.resource("Microsoft.Network/loadBalancers", "inside")
        subnet = self.resource("Microsoft.Network/virtualNetworks", "net/subnets/nodes")
        rule = {
            "name": "r",
            "properties": {
                "protocol": "Tcp",
                "frontendPort": 5432,
                "backendPort": 5432,
                "frontendIPConfiguration": {"id": f"{me}/frontendIPConfigurations/f"},
                "backendAddressPool": {"id": f"{me}/backendAddressPools/p"},
                "probe": {"id": f"{me}/probes/missing"},
            },
        }
        wanted = {
            "location": PLACE,
            "sku": {"name": "Standard"},
            "properties": {
                "frontendIPConfigurations": [{"name": "f", "properties": {"subnet": {"id": subnet}}}],
                "backendAddressPools": [{"name": "p"}],
                "probes": [{"name": "up", "properties": {"protocol": "Tcp", "port": 5432, "intervalInSeconds": 5}}],
                "loadBalancingRules": [rule],
            },
        }
        self.refused("InvalidResourceReference", self.network.load_balancers.begin_create_or_update, "rg", "inside", wanted)
        rule["properties"]["probe"]["id"] = f"{me}/probes/up"
        made = self.network.load_balancers.begin_create_or_update("rg", "inside", wanted).result()
        self.assertEqual(made.frontend_ip_configurations[0].private_ip_address, "10.1.0.4")
        self.refused("InUseSubnetCannotBeDeleted", self.network.subnets.begin_delete, "rg", "net", "nodes")
        put, parts = self.network.load_balancers.begin_create_or_update, wanted["properties"]
        second = json.loads(json.dumps(rule))
        second["name"], second["properties"]["frontendPort"] = "s", 5433
        parts["loadBalancingRules"] = [rule, second]
        self.refused("RulesUseSameBackendPortProtocolAndPool", put, "rg", "inside", wanted)
        parts["loadBalancingRules"] = [rule]
        network = {"id": self.resource("Microsoft.Network/virtualNetworks", "net")}

        def pool(*members):
            return [{"name": "p", "properties": {"loadBalancerBackendAddresses": [{"name": name, "properties": {"ipAddress": address, "virtualNetwork": network}} for name, address in members]}}]

        parts["backendAddressPools"] = pool(("a", "10.9.0.4"))
        self.refused("LoadBalancerBackendAddressNotInVirtualNetwork", put, "rg", "inside", wanted)
        parts["backendAddressPools"] = pool(("a", "10.1.0.8"), ("b", "10.1.0.8"))
        self.refused("LoadBalancerBackendAddressDuplicate", put, "rg", "inside", wanted)
        parts["backendAddressPools"] = pool(("a", "10.1.0.8"), ("b", "10.1.0.9"))
        put("rg", "inside", wanted).result()
        self.refused("InUseSubnetCannotBeDeleted", self.network.virtual_networks.begin_delete, "rg", "net")
        self.make_interface("n", loadBalancerBackendAddressPools=[{"id": f"{me}/backendAddressPools/p"}])
        self.refused("LoadBalancerInUse", self.network.load_balancers.begin_delete, "rg", "inside")

    def test_a_bastion_has_a_subnet_of_its_own(self):
        self.make_network()
        make_subnet = self.network.subnets.begin_create_or_update
        self.network.public_ip_addresses.begin_create_or_update(
            "rg", "door", {"location": PLACE, "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}
        ).result()

        def wanted(subnet, sku="Standard"):
            place = {
                "subnet": {"id": self.resource("Microsoft.Network/virtualNetworks", f"net/subnets/{subnet}")},
                "publicIPAddress": {"id": self.resource("Microsoft.Network/publicIPAddresses", "door")},
            }
            return {"location": PLACE, "sku": {"name": sku}, "properties": {"enableTunneling": True, "ipConfigurations": [{"name": "main", "properties": place}]}}

        put = self.network.bastion_hosts.begin_create_or_update
        self.refused("BastionSubnetNameInvalid", put, "rg", "way", wanted("nodes"))
        make_subnet("rg", "net", "AzureBastionSubnet", {"properties": {"addressPrefix": "10.1.1.0/27"}}).result()
        self.refused("BastionSubnetTooSmall", put, "rg", "way", wanted("AzureBastionSubnet"))
        make_subnet("rg", "net", "AzureBastionSubnet", {"properties": {"addressPrefix": "10.1.1.0/26"}}).result()
        self.refused("BastionHostSkuDoesNotSupportFeature", put, "rg", "way", wanted("AzureBastionSubnet", "Basic"))
        self.assertTrue(put("rg", "way", wanted("AzureBastionSubnet")).result().enable_tunneling)
        self.refused("InUseSubnetCannotBeDeleted", self.network.subnets.begin_delete, "rg", "net", "AzureBastionSubnet")
        self.refused("PublicIPAddressCannotBeDeleted", self.network.public_ip_addresses.begin_delete, "rg", "door")
        self.network.bastion_hosts.begin_delete("rg", "way").result()
        self.network.subnets.begin_delete("rg", "net", "AzureBastionSubnet").result()

    def test_rules_of_a_security_group_are_held(self):
        self.network.application_security_groups.begin_create_or_update("rg", "asg", {"location": PLACE}).result()
        group = {"id": self.resource("Microsoft.Network/applicationSecurityGroups", "asg")}

        def rule(name, **more):
            return {
                "name": name,
                "properties": {
                    "protocol": "Tcp", "access": "Allow", "direction": "Inbound", "priority": 100,
                    "sourcePortRange": "*", "destinationPortRange": "22", "sourceAddressPrefix": "*",
                    "destinationApplicationSecurityGroups": [group], **more,
                },
            }

        put = self.network.network_security_groups.begin_create_or_update
        body = {"location": PLACE, "properties": {"securityRules": [rule("a"), rule("b")]}}
        self.refused("SecurityRuleConflict", put, "rg", "nsg", body)
        body["properties"]["securityRules"] = [rule("a", priority=99)]
        self.refused("SecurityRuleInvalidPriority", put, "rg", "nsg", body)
        body["properties"]["securityRules"] = [rule("a", destinationAddressPrefix="*")]
        self.refused("SecurityRuleInvalidParameters", put, "rg", "nsg", body)
        body["properties"]["securityRules"] = [rule("a")]
        put("rg", "nsg", body).result()
        self.refused("ApplicationSecurityGroupInUse", self.network.application_security_groups.begin_delete, "rg", "asg")

    def test_etags_guard_against_two_at_once(self):
        made = self.network.network_security_groups.begin_create_or_update("rg", "nsg", {"location": PLACE}).result()
        put = self.network.network_security_groups.begin_create_or_update
        put("rg", "nsg", {"location": PLACE, "tags": {"a": "1"}}, headers={"If-Match": made.etag}).result()
        with self.assertRaises(HttpResponseError) as caught:
            put("rg", "nsg", {"location": PLACE}, headers={"If-Match": made.etag}).result()
        self.assertEqual(caught.exception.status_code, 412)
        with self.assertRaises(HttpResponseError):
            put("rg", "nsg", {"location": PLACE}, headers={"If-None-Match": "*"}).result()

    def test_lists_come_in_pages(self):
        for index in range(7):
            self.network.application_security_groups.begin_create_or_update("rg", f"asg-{index}", {"location": PLACE, "tags": {"n": str(index % 2)}}).result()
        self.control("PUT", "settings", {"page_size": 3})
        self.assertEqual(len(list(self.network.application_security_groups.list("rg"))), 7)
        self.assertEqual(len(list(self.network.application_security_groups.list_all())), 7)
        self.assertEqual(len(list(self.groups.resources.list(filter="tagName eq 'n' and tagValue eq '1'"))), 3)
        self.assertEqual([group.name for group in self.groups.resource_groups.list(filter="tagName eq 'environment'")], ["rg"])

    def test_a_group_goes_with_everything_in_it_unless_it_is_locked(self):
        self.make_network()
        self.make_machine("vm-1")
        scope = self.resource("Microsoft.Compute/virtualMachines", "vm-1")
        self.locks.management_locks.create_or_update_by_scope(scope, "keep", {"properties": {"level": "CanNotDelete"}})
        self.refused("ScopeLocked", self.compute.virtual_machines.begin_delete, "rg", "vm-1")
        self.refused("ScopeLocked", self.groups.resource_groups.begin_delete, "rg")
        self.locks.management_locks.delete_by_scope(scope, "keep")
        self.groups.resource_groups.begin_delete("rg").result()
        with self.assertRaises(ResourceNotFoundError):
            self.groups.resource_groups.get("rg")
        self.assertEqual(self.control("GET", "resources"), {})

    def test_tags_are_merged_and_taken_away_whatever_the_resource(self):
        self.network.network_security_groups.begin_create_or_update("rg", "nsg", {"location": PLACE, "tags": {"a": "1"}}).result()
        scope = self.resource("Microsoft.Network/networkSecurityGroups", "nsg")
        change = self.groups.tags.begin_update_at_scope
        change(scope, {"operation": "Merge", "properties": {"tags": {"b": "2"}}}).result()
        change(scope, {"operation": "Delete", "properties": {"tags": {"a": "1"}}}).result()
        self.assertEqual(self.network.network_security_groups.get("rg", "nsg").tags, {"b": "2"})
        self.assertEqual(self.groups.tags.get_at_scope(scope).properties.tags, {"b": "2"})

    def test_identities_may_use_what_they_were_given(self):
        identity = self.identity.user_assigned_identities.create_or_update("rg", "app", {"location": PLACE})
        account = self.storage.storage_accounts.begin_create(
            "rg", "demostore", {"location": PLACE, "kind": "StorageV2", "sku": {"name": "Standard_ZRS"}, "properties": {"allowBlobPublicAccess": False}}
        ).result()
        self.assertEqual(account.provisioning_state, "Succeeded")
        container = self.storage.blob_containers.create("rg", "demostore", "artifacts", {})
        self.assertEqual([one.name for one in self.storage.blob_containers.list("rg", "demostore")], ["artifacts"])
        definition = f"/subscriptions/{worlds.SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/ba92f5b4-2d11-453d-a403-e96b0029c9fe"
        wanted = {"properties": {"roleDefinitionId": definition, "principalId": identity.principal_id, "principalType": "ServicePrincipal"}}
        name = "00000000-0000-4000-8000-000000000001"
        first = self.roles.role_assignments.create(container.id, name, wanted)
        self.assertEqual(self.roles.role_assignments.create(container.id, name, wanted).id, first.id)
        with self.assertRaises(ResourceExistsError):
            self.roles.role_assignments.create(container.id, "00000000-0000-4000-8000-000000000002", wanted)
        self.refused("StorageAccountAlreadyTaken", self.storage.storage_accounts.begin_create, "rg", "taken", {"location": PLACE, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}})

    def test_a_machine_has_identities_that_are_there_and_keeps_those_that_a_patch_does_not_name(self):
        self.make_network()
        self.make_machine("vm-1")
        made = {name: self.identity.user_assigned_identities.create_or_update("rg", name, {"location": PLACE}).id for name in ("a", "b")}
        update = self.compute.virtual_machines.begin_update

        def body(kind, named):
            return {"identity": {"type": kind, "userAssignedIdentities": named}}

        self.refused("FailedIdentityOperation", update, "rg", "vm-1", body("UserAssigned", {made["a"] + "x": {}}))
        update("rg", "vm-1", body("UserAssigned", {made["a"]: {}})).result()
        changed = update("rg", "vm-1", body("UserAssigned", {made["b"]: {}})).result()
        self.assertEqual(set(changed.identity.user_assigned_identities), set(made.values()))
        changed = update("rg", "vm-1", body("UserAssigned", {made["a"]: None})).result()
        self.assertEqual(list(changed.identity.user_assigned_identities), [made["b"]])
        self.assertIsNone(update("rg", "vm-1", {"identity": {"type": "None"}}).result().identity)

    def test_providers_must_be_registered(self):
        self.control("PUT", "settings", {"unregistered": ["Microsoft.Network"]})
        self.assertEqual(self.groups.providers.get("Microsoft.Network").registration_state, "NotRegistered")
        self.refused("MissingSubscriptionRegistration", self.network.network_security_groups.begin_create_or_update, "rg", "n", {"location": PLACE})
        self.assertEqual(self.groups.providers.register("Microsoft.Network").registration_state, "Registering")
        self.refused("MissingSubscriptionRegistration", self.network.network_security_groups.begin_create_or_update, "rg", "n", {"location": PLACE})
        deadline = time.monotonic() + 10
        while self.groups.providers.get("Microsoft.Network").registration_state != "Registered":
            self.assertLess(time.monotonic(), deadline)
        self.network.network_security_groups.begin_create_or_update("rg", "n", {"location": PLACE}).result()

    def test_throttled_calls_are_repeated_after_the_time_given(self):
        self.control("POST", "rules", [{"method": "PUT", "times": 2, "answer": {"status": 429, "code": "SubscriptionRequestsThrottled", "headers": {"Retry-After": "1"}}}])
        began = time.monotonic()
        self.network.network_security_groups.begin_create_or_update("rg", "n", {"location": PLACE}).result()
        self.assertGreater(time.monotonic() - began, 1.9)
        self.assertEqual(self.control("GET", "violations"), [])

    def test_an_answer_may_be_lost_though_the_work_was_done(self):
        self.control("POST", "rules", [{"method": "PUT", "path": "*/networksecuritygroups/n", "lost": "answer"}])
        self.network.network_security_groups.begin_create_or_update("rg", "n", {"location": PLACE}).result()
        lost = [call for call in self.control("GET", "log") if call.get("lost")]
        self.assertEqual(len(lost), 1)

    def test_bodies_are_held_against_the_vendors_models(self):
        put = self.network.network_security_groups.begin_create_or_update
        self.refused("InvalidRequestContent", put, "rg", "n", {"location": PLACE, "propertys": {}})
        self.refused("InvalidRequestContent", put, "rg", "n", {"tags": {"a": 1}, "location": PLACE})
        self.refused("InvalidRequestContent", self.compute.disks.begin_create_or_update, "rg", "d", {"location": PLACE, "properties": {"diskSizeGB": "64", "creationData": {"createOption": "Empty"}}})
        self.refused("InvalidRequestContent", self.compute.disks.begin_create_or_update, "rg", "d", {"location": PLACE, "properties": {"creationData": {"createOption": "Nothing"}}})


if __name__ == "__main__":
    unittest.main()
