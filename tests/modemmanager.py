"""ModemManager for python-dbusmock, on a bus of its own: a modem with a SIM card, registered, with a 4G signal.

python-dbusmock's own template (since 0.32; Debian 12 has 0.28) has no signal, no registration and no ICCID. Loaded by
dbusmock in the system's Python, as dbus-python is Debian's: nothing of pantau is imported here.
"""

import dbus
from dbusmock import mockobject

BUS_NAME = "org.freedesktop.ModemManager1"
MAIN_OBJ = "/org/freedesktop/ModemManager1"
MAIN_IFACE = BUS_NAME
SYSTEM_BUS = True
IS_OBJECT_MANAGER = True
MODEM = BUS_NAME + ".Modem"
MODEM_PATH = MAIN_OBJ + "/Modem/0"
SIM_PATH = MAIN_OBJ + "/SIM/0"


def load(mock, parameters):
    mock.AddProperties(MAIN_IFACE, dbus.Dictionary({"Version": "1.20.4"}, signature="sv"))
    if parameters.get("no_modem"):
        return
    sim = parameters.get("iccid", "")
    modem = {
        "Manufacturer": "QUALCOMM INCORPORATED",
        "Model": "QUECTEL Mobile Broadband Module",
        "State": dbus.Int32(parameters.get("state", 8)),
        "Sim": dbus.ObjectPath(SIM_PATH if sim else "/"),
    }
    mock.AddObject(MODEM_PATH, MODEM, dbus.Dictionary(modem, signature="sv"), [])
    own = mockobject.objects[MODEM_PATH]
    network = {
        "RegistrationState": dbus.UInt32(parameters.get("registration", 1)),
        "OperatorName": parameters.get("operator", "TELKOMSEL"),
        "OperatorCode": "51010",
    }
    own.AddProperties(MODEM + ".Modem3gpp", dbus.Dictionary(network, signature="sv"))
    nothing = dbus.Dictionary({}, signature="sv")
    own.AddProperties(MODEM + ".Signal", dbus.Dictionary({"Rate": dbus.UInt32(0), "Lte": nothing}, signature="sv"))
    own.heard = dbus.Dictionary(
        {name: dbus.Double(parameters[name]) for name in ("rsrp", "rsrq", "snr") if name in parameters}, signature="sv"
    )
    own.AddProperties(MODEM + ".Location", dbus.Dictionary({"Enabled": dbus.UInt32(1)}, signature="sv"))
    place = 'ret = dbus.Dictionary({dbus.UInt32(1): dbus.String("510,10,FFFE,9F2C11,2F4A")}, signature="uv")'
    own.AddMethod(MODEM + ".Location", "GetLocation", "", "a{uv}", place)
    # What the ladder asks for is written down where a test can read it.
    own.AddMethod(MODEM + ".Modem3gpp", "Register", "s", "", 'open("steps", "a").write("reattach ")')
    own.AddMethod(MODEM, "Reset", "", "", 'open("steps", "a").write("restart ")')
    # A message is an object of its own, made before it is sent; what was sent is written down, too.
    created = (
        f'number, text = args[0]["number"], args[0]["text"]; path = "{MAIN_OBJ}/SMS/0"\n'
        f"import dbusmock.mockobject as m\n"
        f'self.AddObject(path, "{BUS_NAME}.Sms", {{"Number": number, "Text": text}}, [])\n'
        f'send = "open(\\"sms\\", \\"a\\").write(%r)" % f"{{number}} {{text}}\\n"\n'
        f'send = send if not {bool(parameters.get("unsent"))} else "raise ValueError()"\n'
        f'm.objects[path].AddMethod("{BUS_NAME}.Sms", "Send", "", "", send)\n'
        "ret = dbus.ObjectPath(path)"
    )
    own.AddMethod(MODEM + ".Messaging", "Create", "a{sv}", "o", created)
    own.AddMethod(MODEM + ".Messaging", "Delete", "o", "", "self.RemoveObject(args[0])")
    # A real modem measures nothing until it is told how often; polkit lets only some tell it.
    setup = f'self.props["{MODEM}.Signal"]["Lte"] = self.heard'
    if parameters.get("setup_refused"):
        setup = (
            'raise dbus.exceptions.DBusException("no", name="org.freedesktop.ModemManager1.Error.Core.Unauthorized")'
        )
    own.AddMethod(MODEM + ".Signal", "Setup", "u", "", setup)
    if sim:
        mock.AddObject(SIM_PATH, BUS_NAME + ".Sim", dbus.Dictionary({"SimIdentifier": sim}, signature="sv"), [])
