local function class() local c = {} c.__index = c return c end
local Queue, Source, Router, Worker, Device, System = class(), class(), class(), class(), class(), class()
function Queue:put(packet)
  packet.next = nil
  if self.last == nil then self.first = packet else self.last.next = packet end
  self.last = packet
  self.size = self.size + 1
end
function Queue:take()
  local packet = self.first
  self.first = packet.next
  if self.first == nil then self.last = nil end
  self.size = self.size - 1
  return packet
end
function Source:ready() return self.left > 0 end
function Source:step(system)
  self.left = self.left - 1
  self.seed = self.seed * 16807 % 2147483647
  system:send(1, { kind = self.seed % 2, value = self.seed % 1000, next = nil })
end
function Router:ready() return self.queue.size > 0 end
function Router:step(system)
  local packet = self.queue:take()
  self.routed = self.routed + 1
  system:send(packet.kind == 0 and 2 or 3, packet)
end
function Worker:ready() return self.queue.size > 2 or self.queue.size > 0 and self.sum % 2 == 0 end
function Worker:step(system)
  local packet = self.queue:take()
  self.sum = (self.sum * 31 + packet.value) % 65521
  if packet.value % 5 == 0 then
    packet.value = packet.value + 1
    packet.kind = 1
    system:send(1, packet)
  end
end
function Device:ready() return self.busy > 0 or self.queue.size > 0 end
function Device:step(system)
  if self.busy > 0 then
    self.busy = self.busy - 1
    return
  end
  local packet = self.queue:take()
  self.busy = packet.value % 3
  self.done = self.done + packet.value
end
function System:send(to, packet)
  self.sent = self.sent + 1
  self.tasks[to + 1].queue:put(packet)
end
function System:run()
  local active = true
  while active do
    active = false
    for i = 1, #self.tasks do
      local task = self.tasks[i]
      if task:ready() then
        task:step(self)
        self.steps = self.steps + 1
        active = true
      end
    end
  end
end

local function queue() return setmetatable({ first = nil, last = nil, size = 0 }, Queue) end

local function main()
  local packets = 300000
  local source = setmetatable({ queue = queue(), left = packets, seed = 13 }, Source)
  local router = setmetatable({ queue = queue(), routed = 0 }, Router)
  local worker = setmetatable({ queue = queue(), sum = 0 }, Worker)
  local device = setmetatable({ queue = queue(), busy = 0, done = 0 }, Device)
  local system = setmetatable({ tasks = { source, router, worker, device }, steps = 0, sent = 0 }, System)
  system:run()
  print(string.format("%d %d %d %d %d", system.steps, system.sent, router.routed, worker.sum, device.done))
end
main()
